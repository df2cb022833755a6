package dashboard

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"os/user"
	"strconv"
	"syscall"
)

// connection is what is known of a client's connection.
type connection struct {
	unix     bool
	uid      int64           // of the process at the other end of a Unix socket; -1: not known
	stopping <-chan struct{} // closed when the server stops
}

type connectionKey struct{}

// connectionOf returns what is known of the request's connection.
func connectionOf(r *http.Request) connection {
	if c, ok := r.Context().Value(connectionKey{}).(connection); ok {
		return c
	}
	return connection{uid: -1}
}

// withConnection notes what is known of conn, for the requests that it brings.
func withConnection(ctx context.Context, conn net.Conn, stopping <-chan struct{}) context.Context {
	c := connection{uid: -1, stopping: stopping}
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if local, ok := conn.(*net.UnixConn); ok {
		c.unix, c.uid = true, peerUID(local)
	}
	return context.WithValue(ctx, connectionKey{}, c)
}

// peerUID asks the kernel who opened the other end (SO_PEERCRED in unix(7)).
func peerUID(conn *net.UnixConn) int64 {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1
	}
	uid := int64(-1)
	err = raw.Control(func(fd uintptr) {
		if peer, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			uid = int64(peer.Uid)
		}
	})
	if err != nil {
		return -1
	}
	return uid
}

// user is the name of whoever calls by the Unix socket. It is looked up when
// somebody does something, since a directory service may take its time.
func (c connection) user() string {
	if c.uid < 0 {
		return "somebody on the admin socket"
	}
	number := strconv.FormatInt(c.uid, 10)
	if found, err := user.LookupId(number); err == nil {
		return found.Username
	}
	return "uid " + number
}

// source is what failures are counted by: the address, or for IPv6 its network,
// since a whole /64 usually belongs to one host.
func (c connection) source(r *http.Request) string {
	if c.unix {
		return "uid " + strconv.FormatInt(c.uid, 10)
	}
	from := clientAddr(r)
	if from.Is6() {
		if network, err := from.WithZone("").Prefix(64); err == nil {
			return network.String()
		}
	}
	return from.String()
}

// clientAddr is the client's address; not valid where there is none.
func clientAddr(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return from.Addr().Unmap()
}

func loopback(r *http.Request) bool { return clientAddr(r).IsLoopback() }

// forwarded reports whether a proxy handed the request on: it may come from
// anywhere then, even where the proxy itself is on loopback.
func forwarded(r *http.Request) bool {
	return r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != ""
}
