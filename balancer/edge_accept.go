package balancer

import "weir/policies"

// notAccepted is what a sender is told of a recipient whose domain the listener
// does not take mail for.
var notAccepted = words{550, enhanced(5, 7, 1), "This server takes no mail for that domain"}

// complete makes what the front needs besides its config, once.
func (f *front) complete() {
	if len(f.AcceptDomains) > 0 && f.accepts == nil {
		// As domains are found for routes, so that the same patterns mean the same.
		f.accepts = policies.NewRoutes([]policies.Route{{Match: f.AcceptDomains, To: []policies.Target{{}}}}, f.hostname)
	}
}

// accept reports whether the listener takes mail for a recipient: for <postmaster>
// without a domain always (RFC 5321 section 4.5.1).
func (f *front) accept(rcpt string) bool {
	if f.accepts == nil {
		return true
	}
	way, _ := f.accepts.Find(&policies.Query{Rcpt: rcpt})
	return way != nil
}
