package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// lab is two networks of this machine: one that mail travels on, and one to Consul. This process has the first address
// on each; every room is a network namespace with a leg in both, so that one leg can be cut and the other not.
type lab struct {
	t             *testing.T
	id            string
	mail, control string // the first three octets
	rooms         []*room
}

// room is one network namespace.
type room struct {
	lab     *lab
	name    string
	number  int
	mail    string // its address on the mail network
	control string // and on the one to Consul
}

// newLab makes the networks; they go away with the test, also when its process dies.
func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		unmet(t, "network namespaces want root: run as root (sudo -E make test)")
	}
	need(t, "ip", "iproute2")
	if out, err := exec.Command("ip", "netns", "list").CombinedOutput(); err != nil {
		unmet(t, fmt.Sprintf("this machine has no network namespaces: %v: %s", err, out))
	}
	l := &lab{t: t, id: fmt.Sprintf("%04x", rand.IntN(1<<16))}
	a, b := rand.IntN(64), rand.IntN(250)
	l.mail, l.control = fmt.Sprintf("10.%d.%d", 64+a, b), fmt.Sprintf("10.%d.%d", 128+a, b)
	l.bridge("wm"+l.id, l.mail)
	l.bridge("wc"+l.id, l.control)
	return l
}

// bridge makes a network with this process's address on it.
func (l *lab) bridge(name, net string) {
	l.t.Helper()
	l.undo("ip link del " + name)
	l.ip("link add %s type bridge", name)
	// Left alone it takes the lowest address of its ports, which changes as they
	// come, and who has the old one in his tables is lost for half a minute.
	l.ip("link set %s address 02:00:00:00:00:01", name)
	l.ip("addr add %s.1/24 dev %s", net, name)
	l.ip("link set %s up", name)
}

// undo has a shell run a command when the test ends or dies.
func (l *lab) undo(command string) {
	l.t.Helper()
	off := guardBy(l.t, command)
	l.t.Cleanup(func() {
		off()
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
			l.t.Logf("cleaning up: %s: %v: %s", command, err, out)
		}
	})
}

// ip runs ip(8).
func (l *lab) ip(format string, args ...any) {
	l.t.Helper()
	command := fmt.Sprintf(format, args...)
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v: %s", command, err, out)
	}
}

// add makes a further room.
func (l *lab) add() *room {
	l.t.Helper()
	n := len(l.rooms) + 1
	r := &room{lab: l, number: n, name: fmt.Sprintf("weir-%s-%d", l.id, n)}
	r.mail, r.control = fmt.Sprintf("%s.%d", l.mail, n+1), fmt.Sprintf("%s.%d", l.control, n+1)
	l.undo("ip netns del " + r.name)
	l.ip("netns add %s", r.name)
	l.ip("-n %s link set lo up", r.name)
	l.leg(r, "wm"+l.id, r.mail)
	l.leg(r, "wc"+l.id, r.control)
	l.rooms = append(l.rooms, r)
	return r
}

// leg joins a room to a network.
func (l *lab) leg(r *room, bridge, addr string) {
	l.t.Helper()
	outer := fmt.Sprintf("%s-%d", bridge, r.number)
	inner := bridge[:2] // the same in every room
	l.ip("link add %s type veth peer name %s netns %s", outer, inner, r.name)
	l.ip("link set %s master %s up", outer, bridge)
	l.ip("-n %s addr add %s/24 dev %s", r.name, addr, inner)
	l.ip("-n %s link set %s up", r.name, inner)
}

// cut takes a room's leg to Consul down: what it sends there is lost without a word. mend brings it back.
func (r *room) cut() { r.lab.t.Helper(); r.lab.ip("link set wc%s-%d down", r.lab.id, r.number) }

func (r *room) mend() { r.lab.t.Helper(); r.lab.ip("link set wc%s-%d up", r.lab.id, r.number) }

// inside is the command that runs another one in the room.
func (r *room) inside() []string { return []string{"ip", "netns", "exec", r.name} }

// startWeir runs weir in the room, with its listener on the mail network and a socket for its admin server.
func (r *room) startWeir(config string) *weir {
	r.lab.t.Helper()
	dir, err := os.MkdirTemp("", "ww-") // short: a socket's path has 108 octets
	if err != nil {
		r.lab.t.Fatalf("making a directory for the socket: %v", err)
	}
	r.lab.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return launchWeir(r.lab.t, launch{
		config: config, prefix: r.inside(), smtp: r.mail + ":2525", admin: filepath.Join(dir, "admin.sock"),
	})
}
