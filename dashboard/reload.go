package dashboard

import (
	"net/http"
	"strconv"
)

// serveReload brings a changed config file into force, or the config before the
// present one. A mistake in it is the caller's (400), and changes nothing.
func (s *Server) serveReload(w http.ResponseWriter, r *http.Request, from caller) {
	var request ReloadRequest
	if !readBody(w, r, &request, `{"previous": true}`) {
		return
	}
	if s.deps.Reloader == nil {
		writeError(w, http.StatusNotImplemented, "this weir has no config file to read again")
		return
	}
	changes, err := s.deps.Reloader.Reload(request.Previous, from.who)
	answer := ReloadAnswer{Changes: append([]string{}, changes...)}
	code := http.StatusOK
	if err != nil {
		answer.Error, code = err.Error(), http.StatusBadRequest
	}
	writeJSON(w, code, answer)
}

// serveConfig shows the config in force: YAML, since that is what it is written
// in, and may be written back.
func (s *Server) serveConfig(w http.ResponseWriter, r *http.Request, _ caller) {
	if s.deps.Reloader == nil {
		writeError(w, http.StatusNotImplemented, "this weir has no config file")
		return
	}
	diff := false
	if query := r.URL.Query(); query.Has("diff") {
		asked, err := strconv.ParseBool(query.Get("diff"))
		if err != nil {
			writeError(w, http.StatusBadRequest, "diff wants 1 or 0")
			return
		}
		diff = asked
	}
	text, err := s.deps.Reloader.Config(diff)
	if err != nil {
		writeError(w, http.StatusInternalServerError, err.Error())
		return
	}
	writeTagged(w, r, "application/yaml", []byte(text)) // RFC 9512
}

// standbyAnswer is the answer of POST /v1/standby.
type standbyAnswer struct {
	Standby bool `json:"standby"`
}

// serveStandby takes this replica out of what is in front of it, or brings it back.
func (s *Server) serveStandby(w http.ResponseWriter, r *http.Request, from caller) {
	var request StandbyRequest
	if !readBody(w, r, &request, `{"off": true}`) {
		return
	}
	if s.deps.Controller == nil {
		writeError(w, http.StatusNotImplemented, "standby is not possible here: this weir was started without it")
		return
	}
	if err := s.deps.Controller.Standby(!request.Off, from.who); err != nil {
		writeError(w, codeOf(err), err.Error())
		return
	}
	writeJSON(w, http.StatusOK, standbyAnswer{Standby: !request.Off})
}
