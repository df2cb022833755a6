package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxBody bounds the body of a request: all that are read are a few words.
const maxBody = 4 << 10

// readBody decodes the body of a request, which may be left out, into a value.
// Where it is nothing of the kind it answers so, with an example, and returns false.
func readBody(w http.ResponseWriter, r *http.Request, into any, example string) bool {
	err := decodeStrictly(http.MaxBytesReader(w, r.Body, maxBody), into)
	if err == nil {
		return true
	}
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		writeError(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d KiB: it must be nothing, or as short as %s", tooLong.Limit>>10, example))
		return false
	}
	writeError(w, http.StatusBadRequest, "the body must be nothing, or like "+example+": "+err.Error())
	return false
}

// decodeStrictly takes nothing, or one JSON value of which every name is known.
func decodeStrictly(body io.Reader, into any) error {
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return fmt.Errorf("reading JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("there is more behind it")
		}
		return fmt.Errorf("reading JSON: %w", err)
	}
	return nil
}
