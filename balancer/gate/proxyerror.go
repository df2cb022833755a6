package gate

// ProxyFault is what is wrong with a PROXY header: a word for logs and metrics.
type ProxyFault string

// The faults.
const (
	ProxyMissing   ProxyFault = "proxy-missing"   // something else came, or nothing at all
	ProxyMalformed ProxyFault = "proxy-malformed" // it is none by the specification
	ProxySlow      ProxyFault = "proxy-slow"      // it was not there in time
	ProxyLost      ProxyFault = "proxy-lost"      // the connection broke
)

// ProxyError says why there is no PROXY header from a peer that has to send one.
type ProxyError struct {
	Fault ProxyFault
	Err   error // the particulars
}

// Error says what happened and what to do.
func (e *ProxyError) Error() string {
	s := "reading the PROXY header: "
	switch e.Fault {
	case ProxyMissing:
		s += "there is none, and proxy_protocol.trust demands one of this peer: let the proxy send it, or take the peer out of trust"
	case ProxyMalformed:
		s += "it is malformed: the peer is no proxy, or a broken one"
	case ProxySlow:
		s += "it was not there in time: the peer is no proxy, or is overloaded"
	case ProxyLost:
		s += "the connection broke"
	}
	return s + " (" + e.Err.Error() + ")"
}

// Unwrap returns the particulars.
func (e *ProxyError) Unwrap() error { return e.Err }
