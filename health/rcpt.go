package health

// recipients compares how the connectors of one pool answer the RCPT of a probe
// (P18). A refusal for good says that the connector is alive, but where its
// peers accept the same recipient it has lost the list of those it knows, and
// would bounce all mail. It is pure, and its zero value is ready for use.
type recipients struct {
	class map[string]int // of the last answer, by connector
}

// told takes in the code of an answer to RCPT; 0, where a probe did not come so
// far, forgets the connector.
func (r *recipients) told(backend string, code int) {
	if r.class == nil {
		r.class = map[string]int{}
	}
	if code == 0 {
		delete(r.class, backend)
		return
	}
	r.class[backend] = code / 100
}

// refusedAlone reports whether the connector refuses what more than half of the
// others accept.
func (r *recipients) refusedAlone(backend string) bool {
	if r.class[backend] != 5 {
		return false
	}
	others, accept := 0, 0
	for name, class := range r.class {
		if name == backend {
			continue
		}
		others++
		if class == 2 {
			accept++
		}
	}
	return 2*accept > others
}
