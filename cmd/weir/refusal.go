package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// refusal is what weir answers instead of what it was asked for.
type refusal struct {
	status int
	words  string
	body   []byte
}

func (r *refusal) Error() string { return r.words }

// refusal puts an answer that is not 200 into words.
func (c *client) refusal(resp *http.Response, body []byte) error {
	var said struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &said)
	r := &refusal{status: resp.StatusCode, words: said.Error, body: body}
	switch {
	case r.status == http.StatusUnauthorized && c.token != "":
		r.words = fmt.Sprintf("the token in %s is not accepted by the weir at %s", c.tokenFile, c.where)
	case r.status == http.StatusUnauthorized:
		r.words = fmt.Sprintf("a token is needed for the weir at %s: --token-file or WEIR_TOKEN_FILE name its file", c.where)
	case r.status == http.StatusForbidden:
		r.words = strings.TrimSuffix(fmt.Sprintf("the weir at %s does not allow it: %s", c.where, said.Error), ": ")
	case said.Error == "":
		r.words = fmt.Sprintf("%s answers %s: is this the admin address of a weir?", c.where, resp.Status)
	case r.status == http.StatusNotFound && strings.HasPrefix(said.Error, "no such path"):
		r.words = fmt.Sprintf("the weir at %s does not know this command; it may be older than this one (%s)", c.where, said.Error)
	}
	return r
}

// refusedWith returns the refusal of that status, if err is one.
func refusedWith(err error, status int) (*refusal, bool) {
	var r *refusal
	return r, errors.As(err, &r) && r.status == status
}
