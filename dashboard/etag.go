package dashboard

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// writeTagged answers with what a poller may have already: then only with that it
// has (RFC 9110 section 13.1.2).
func writeTagged(w http.ResponseWriter, r *http.Request, kind string, text []byte) {
	digest := sha256.Sum256(text)
	tag := `"` + base64.RawURLEncoding.EncodeToString(digest[:12]) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "no-cache") // keep it, and ask each time
	if hasTag(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(text) // the client may be gone
}

// hasTag reports whether a client has that. Weak tags will do.
func hasTag(headers []string, tag string) bool {
	for _, header := range headers {
		for one := range strings.SplitSeq(header, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}

// jsonOf encodes a value that always encodes: the room's own types.
func jsonOf(value any) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value)
	return out.Bytes()
}
