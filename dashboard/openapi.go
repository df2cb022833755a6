package dashboard

import (
	_ "embed" // for the document
	"net/http"
)

// openAPI describes this interface to programs and to the makers of clients
// (OpenAPI 3.1). It is written by hand; a test holds it against the handlers.
//
//go:embed openapi.json
var openAPI []byte

func (s *Server) serveOpenAPI(w http.ResponseWriter, r *http.Request, _ caller) {
	writeTagged(w, r, "application/json", openAPI)
}
