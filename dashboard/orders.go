package dashboard

import (
	"context"
	"errors"
	"net/http"
	"time"

	"weir/internal/backend"
)

// orderTimeout bounds an order, which asks the other replicas: short of
// writeTimeout, so that there is an answer.
const orderTimeout = 20 * time.Second

// maxOrderFor bounds how long an order may stand that ends by itself: what is
// meant for longer is meant for good, and a mistyped unit shows.
const maxOrderFor = 366 * 24 * time.Hour

// MaxReason bounds, in bytes, the reason of an order: it is shown in tables and goes
// to every replica.
const MaxReason = 500

// serveOrder carries an operator's order out. It is carried out wholly even when
// the client goes away meanwhile: half an order would be worse than either.
func (s *Server) serveOrder(w http.ResponseWriter, r *http.Request, id backend.ID, order Order) {
	var request OrderRequest
	if !readBody(w, r, &request, `{"reason": "new disk", "for": "2h"}`) {
		return
	}
	if why := order.take(request); why != "" {
		writeError(w, http.StatusBadRequest, why)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), orderTimeout)
	defer cancel()
	answer, err := s.deps.Controller.Order(ctx, id, order)
	switch {
	case err == nil:
		writeJSON(w, http.StatusOK, answer.whole())
	case errors.Is(err, ErrNotShared), errors.Is(err, ErrHeld):
		answer.Error = err.Error()
		writeJSON(w, codeOf(err), answer.whole())
	default:
		writeError(w, codeOf(err), err.Error())
	}
}

// take completes the order from its request, and returns what is wrong with that.
func (o *Order) take(request OrderRequest) (why string) {
	if len(request.Reason) > MaxReason {
		return "the reason is too long: a sentence is enough"
	}
	o.Reason, o.Force = request.Reason, request.Force
	if request.For == "" {
		return ""
	}
	if o.Verb != Drain && o.Verb != Disable {
		return "for goes with drain and disable, which it ends: " + string(o.Verb) + " ends nothing by itself"
	}
	length, err := time.ParseDuration(request.For)
	if err != nil || length <= 0 || length > maxOrderFor {
		return "for wants a duration such as 2h or 30m, above 0 and at most a year"
	}
	o.For = length
	return ""
}

// codeOf is the status code for what a [Controller] refuses or could not do.
func codeOf(err error) int {
	switch {
	case errors.Is(err, ErrEmpties), errors.Is(err, ErrConflict), errors.Is(err, ErrHeld):
		return http.StatusConflict
	case errors.Is(err, ErrUnknown):
		return http.StatusNotFound
	case errors.Is(err, ErrNotShared):
		return http.StatusBadGateway
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}

// whole is the answer with an empty list where there is none, as readers expect.
func (a OrderAnswer) whole() OrderAnswer {
	if a.Replicas == nil {
		a.Replicas = []ReplicaShare{}
	}
	return a
}

// serveLook tells how a connector stands, here and with the other replicas; of one
// that has just left, too, since somebody may wait for it to be safe.
func (s *Server) serveLook(w http.ResponseWriter, r *http.Request, name []string) {
	if _, no := s.admit(r, RoleRead); no != nil {
		deny(w, no)
		return
	}
	m, code, why := find(s.deps.Registry.Snapshot(), name)
	known := m != nil || s.departed(name)
	switch last := len(name) - 1; {
	case !known && last > 0 && isVerb(name[last]):
		notPossible(w, r, http.MethodPost)
	case len(name) > 2:
		noSuchPath(w, r)
	case !known:
		writeError(w, code, why)
	case s.deps.Controller == nil:
		writeError(w, http.StatusNotImplemented, "this is not possible here: this weir was started without it")
	case m == nil:
		writeJSON(w, http.StatusOK, s.deps.Controller.Look(idOf(name)).whole())
	default:
		writeJSON(w, http.StatusOK, s.deps.Controller.Look(m.ID()).whole())
	}
}
