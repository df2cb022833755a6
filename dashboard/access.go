package dashboard

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// Role is what a caller may do: each may what those before it may.
type Role string

// The roles, as in the config.
const (
	RoleNone    Role = "none"    // nothing but /healthz and /readyz
	RoleRead    Role = "read"    // look, no more
	RoleOperate Role = "operate" // look, and order connectors about
)

// may reports whether the role is enough where want is asked for.
func (r Role) may(want Role) bool {
	return want == RoleNone || r == RoleOperate || r == RoleRead && want == RoleRead
}

// Access says who may do what. The zero value lets only callers of the Unix
// socket in.
type Access struct {
	Anonymous Role     // of a caller without a token, on loopback only
	Tokens    []Token  // at most a handful
	Hosts     []string // names that this server is called by, besides addresses and localhost; without a port
}

// Token names somebody who need not come over loopback.
type Token struct {
	Name   string // who, in events and in the log
	Role   Role
	Secret string // not empty
}

// access is an [Access] that keeps no secret.
type access struct {
	anonymous Role
	tokens    []tokenDigest
	hosts     []string
}

type tokenDigest struct {
	name   string
	role   Role
	digest [sha256.Size]byte
}

func newAccess(a Access) *access {
	out := &access{anonymous: a.Anonymous, hosts: a.Hosts}
	for _, t := range a.Tokens {
		out.tokens = append(out.tokens, tokenDigest{t.Name, t.Role, sha256.Sum256([]byte(t.Secret))})
	}
	return out
}

// token returns whose secret that is. The time it takes tells nothing of how
// much of a guess is right: digests are compared, each in full, and all of them.
func (a *access) token(secret string) (found caller, ok bool) {
	digest := sha256.Sum256([]byte(secret))
	for i := range a.tokens {
		t := &a.tokens[i]
		if subtle.ConstantTimeCompare(digest[:], t.digest[:]) == 1 {
			found, ok = caller{who: t.name, role: t.role}, true
		}
	}
	return found, ok
}

// SetAccess puts another [Access] in force, for the requests that come from now
// on. Streams that are open stay.
func (s *Server) SetAccess(a Access) { s.access.Store(newAccess(a)) }

// caller is who a request comes from.
type caller struct {
	who  string
	role Role
}

// refusal is the answer to a request that may not be.
type refusal struct {
	code int
	why  string
}

// admit says who the request comes from, and whether that one may: nil, or the
// answer to give.
func (s *Server) admit(r *http.Request, want Role) (caller, *refusal) {
	if want == RoleNone {
		return caller{}, nil
	}
	if no := s.foreign(r, want); no != nil {
		return caller{}, no
	}
	from, no := s.identify(r)
	if no != nil {
		return caller{}, no
	}
	if !from.role.may(want) {
		return caller{}, notEnough(from, r.Header.Get("Authorization") != "")
	}
	return from, nil
}

// notEnough tells a caller whose role is too small what would help.
func notEnough(from caller, token bool) *refusal {
	switch {
	case token:
		return &refusal{http.StatusForbidden, "the token of " + from.who + " has the role " + string(from.role) +
			", and this wants another one (admin.tokens)"}
	case from.role == RoleRead:
		return &refusal{http.StatusForbidden, "only reading is allowed here without a token (admin.anonymous)"}
	default:
		return &refusal{http.StatusUnauthorized, "a token is wanted here: Authorization: Bearer TOKEN"}
	}
}

// anonymous is who a caller is that nothing is known of.
const anonymous = "anonymous"

// identify finds out whom the request comes from. A token counts before all
// else: whoever shows one wants to be known by it.
func (s *Server) identify(r *http.Request) (caller, *refusal) {
	if authorization := r.Header.Get("Authorization"); authorization != "" {
		return s.bearer(authorization, connectionOf(r).source(r))
	}
	c := connectionOf(r)
	if from, ok := s.session(r); ok {
		return from, nil
	}
	switch {
	case c.unix:
		return caller{who: c.user(), role: RoleOperate}, nil
	case loopback(r) && !forwarded(r):
		return caller{who: anonymous, role: s.access.Load().anonymous}, nil
	default:
		return caller{who: anonymous, role: RoleNone}, nil
	}
}

// bearer checks a token (RFC 6750 section 2.1). A source that has shown too many
// wrong ones must wait, and while it does a right one is of no use either: or
// waiting would be no hindrance to guessing.
func (s *Server) bearer(authorization, source string) (caller, *refusal) {
	scheme, secret, _ := strings.Cut(authorization, " ")
	secret = strings.TrimSpace(secret)
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return caller{}, &refusal{http.StatusUnauthorized, "only a token is understood: Authorization: Bearer TOKEN"}
	}
	if !s.failures.allowed(source, s.now()) {
		return caller{}, &refusal{http.StatusTooManyRequests, "too many wrong tokens from " + source + ": wait a moment"}
	}
	found, ok := s.access.Load().token(secret)
	if !ok {
		s.failures.failed(source, s.now())
		return caller{}, &refusal{http.StatusUnauthorized, "the token is wrong: it is none of admin.tokens"}
	}
	return found, nil
}

// deny gives the answer to a request that may not be.
func deny(w http.ResponseWriter, no *refusal) {
	switch no.code {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="weir"`)
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", retryAfter)
	}
	writeError(w, no.code, no.why)
}
