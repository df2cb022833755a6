package dashboard

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A browser sends no Authorization header with an event stream, so the page
// exchanges its token for a cookie. What the cookie holds is made of the token's
// name, an end and a code over both under the token's digest (RFC 2104): the
// token itself is not in it, no session is kept here, it outlives a restart, it is
// good at every replica that has the same tokens, and it is worth nothing any more
// as soon as the token is taken out of the config or changed.
const (
	sessionCookie = "weir_session"
	sessionLength = 12 * time.Hour
	sessionScope  = "weir page session\n" // what the code is for, and nothing else
)

// loginRequest is the body of POST /v1/login.
type loginRequest struct {
	Token string `json:"token"`
}

// loginAnswer says who the page is used by.
type loginAnswer struct {
	Who  string `json:"who"`
	Role Role   `json:"role"`
}

// serveLogin takes a token and gives the cookie. Wrong ones are counted like
// everywhere else. Only a page of this server may ask: another one could else
// have its own token used in somebody's browser.
func (s *Server) serveLogin(w http.ResponseWriter, r *http.Request, _ caller) {
	if no := s.foreign(r, RoleOperate); no != nil {
		deny(w, no)
		return
	}
	var request loginRequest
	if !readBody(w, r, &request, `{"token": "…"}`) {
		return
	}
	from, no := s.bearer("Bearer "+request.Token, connectionOf(r).source(r))
	if no != nil {
		deny(w, no)
		return
	}
	s.setCookie(w, r, s.access.Load().seal(from.who, s.now().Add(sessionLength)), int(sessionLength/time.Second))
	writeJSON(w, http.StatusOK, loginAnswer{Who: from.who, Role: from.role})
}

// serveLogout takes the cookie back.
func (s *Server) serveLogout(w http.ResponseWriter, r *http.Request, _ caller) {
	if no := s.foreign(r, RoleOperate); no != nil {
		deny(w, no)
		return
	}
	s.setCookie(w, r, "", -1)
	writeJSON(w, http.StatusOK, map[string]bool{"out": true})
}

func (s *Server) setCookie(w http.ResponseWriter, r *http.Request, value string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: value, Path: s.deps.BasePath + "/", MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	})
}

// session is who a request comes from by its cookie. One that is not good any
// more counts as none: the caller is then who it would be without.
func (s *Server) session(r *http.Request) (caller, bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return caller{}, false
	}
	return s.access.Load().open(cookie.Value, s.now())
}

// seal makes what the cookie of a token holds.
func (a *access) seal(name string, end time.Time) string {
	for i := range a.tokens {
		if t := &a.tokens[i]; t.name == name {
			text := base64.RawURLEncoding.EncodeToString([]byte(name)) + "." + strconv.FormatInt(end.Unix(), 10)
			return text + "." + base64.RawURLEncoding.EncodeToString(t.code(text))
		}
	}
	return ""
}

// open returns whose cookie that is, if it is one, by a token that is in force,
// and not over.
func (a *access) open(value string, now time.Time) (caller, bool) {
	parts := strings.Split(value, ".")
	if len(parts) != 3 {
		return caller{}, false
	}
	code, err := base64.RawURLEncoding.DecodeString(parts[2])
	end, noEnd := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || noEnd != nil || now.Unix() >= end {
		return caller{}, false
	}
	for i := range a.tokens {
		t := &a.tokens[i]
		if base64.RawURLEncoding.EncodeToString([]byte(t.name)) == parts[0] && hmac.Equal(code, t.code(parts[0]+"."+parts[1])) {
			return caller{who: t.name, role: t.role}, true
		}
	}
	return caller{}, false
}

// code is the token's code over a text.
func (t *tokenDigest) code(text string) []byte {
	mac := hmac.New(sha256.New, t.digest[:])
	mac.Write([]byte(sessionScope + text))
	return mac.Sum(nil)
}
