package integration

import (
	"path/filepath"
	"strings"
	"testing"
)

// consulCluster is three Consul servers.
type consulCluster struct {
	t       *testing.T
	servers []*consulAgent
	raft    []string // the address of each in its peers' eyes
}

// startConsulCluster starts three servers with their state on disk and waits until they have a leader.
func startConsulCluster(t *testing.T) *consulCluster {
	t.Helper()
	k := &consulCluster{t: t}
	join := ""
	for i := range 3 {
		c := &consulAgent{t: t, http: freeAddr(t)}
		lan, rpc := port(freeAddr(t)), freeAddr(t)
		if join == "" {
			join = "127.0.0.1:" + lan
		}
		c.args = []string{
			"agent", "-server", "-bootstrap-expect", "3", "-node", "s" + string(rune('0'+i)),
			"-data-dir", filepath.Join(t.TempDir(), "consul"), "-bind", "127.0.0.1", "-client", "127.0.0.1",
			"-http-port", port(c.http), "-dns-port", "-1", "-grpc-port", "-1",
			"-serf-lan-port", lan, "-serf-wan-port", port(freeAddr(t)), "-server-port", port(rpc),
			"-retry-join", join, "-retry-interval", "1s", "-hcl", "performance { raft_multiplier = 1 }",
		}
		c.launch()
		k.servers, k.raft = append(k.servers, c), append(k.raft, rpc)
	}
	for _, c := range k.servers {
		c.waitLeader()
	}
	return k
}

// leader is the index of the server that leads; -1 when nobody does.
func (k *consulCluster) leader() int {
	for _, c := range k.servers {
		addr, err := c.api().Status().Leader()
		if err != nil || addr == "" {
			continue
		}
		for i, raft := range k.raft {
			if strings.TrimSpace(addr) == raft {
				return i
			}
		}
	}
	return -1
}

// followers are the servers that do not lead.
func (k *consulCluster) followers() []*consulAgent {
	k.t.Helper()
	leads := -1
	eventually(k.t, consulUp, func() bool { leads = k.leader(); return leads >= 0 }, "the Consul servers have no leader")
	var rest []*consulAgent
	for i, c := range k.servers {
		if i != leads {
			rest = append(rest, c)
		}
	}
	return rest
}
