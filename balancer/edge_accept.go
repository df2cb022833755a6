package balancer

import (
	"strings"

	"weir/policies"
)

// What a sender is told of recipients that the listener does not take mail for.
var (
	notAccepted = words{550, enhanced(5, 7, 1), "This server takes no mail for that domain"}
	notRouted   = words{550, enhanced(5, 7, 1), "Recipients with @, % or ! in front of the domain are not taken here"}
)

// complete makes what the front needs besides its config, once.
func (f *front) complete() {
	if len(f.AcceptDomains) > 0 && f.accepts == nil {
		// As domains are found for routes, so that the same patterns mean the same.
		f.accepts = policies.NewRoutes([]policies.Route{{Match: f.AcceptDomains, To: []policies.Target{{}}}}, f.hostname)
	}
}

// unwelcome reports whether the listener takes no mail for a recipient, and what is
// said then. It takes it for <postmaster> without a domain always (RFC 5321 section
// 4.5.1), but for no other name without one, and for nobody whose local part could be
// the address of somebody elsewhere: connectors that believe weir could send it there.
func (f *front) unwelcome(rcpt string) (told words, unwelcome bool) {
	if f.accepts == nil || strings.EqualFold(rcpt, "postmaster") {
		return words{}, false
	}
	at := max(strings.LastIndexByte(rcpt, '@'), 0)
	if strings.ContainsAny(rcpt[:at], "@%!") {
		return notRouted, true
	}
	if at == 0 || rcpt[len(rcpt)-1] == '"' { // that is all local part
		return notAccepted, true
	}
	way, _ := f.accepts.Find(&policies.Query{Rcpt: rcpt})
	return notAccepted, way == nil
}
