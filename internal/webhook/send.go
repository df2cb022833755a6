package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"weir/internal/events"
)

// The headers of a post.
const (
	headerTime      = "X-Weir-Timestamp" // seconds since 1970
	headerSignature = "X-Weir-Signature" // sha256=HEX, of the timestamp, a dot and the body (HMAC, RFC 2104)
)

// maxAnswer bounds what is read of an answer: nothing in it matters.
const maxAnswer = 4 << 10

// body is what is posted.
type body struct {
	Replica string         `json:"replica"`
	Version string         `json:"version"`
	Dropped int64          `json:"dropped"` // events before these that were given up
	Events  []events.Event `json:"events"`
}

// answerError is an answer that is no success.
type answerError struct{ code int }

func (e answerError) Error() string {
	return fmt.Sprintf("the receiver of the webhook answered %d %s", e.code, http.StatusText(e.code))
}

// refused reports whether trying again would not help: the receiver has read what
// was posted, and does not want it.
func refused(err error) bool {
	var answer answerError
	if !errors.As(err, &answer) {
		return false
	}
	return answer.code == http.StatusBadRequest || answer.code == http.StatusRequestEntityTooLarge || answer.code == http.StatusUnprocessableEntity
}

func firstWords(err error) string {
	var answer answerError
	if errors.As(err, &answer) {
		return answer.Error()
	}
	return ""
}

// send posts a batch once.
func (s *Sender) send(ctx context.Context, batch []events.Event, lost int64) error {
	target := s.target.Load()
	text, err := json.Marshal(body{s.cfg.Replica, s.cfg.Version, lost, batch})
	if err != nil {
		return fmt.Errorf("writing events: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target.URL, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("making the request of the webhook: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "weir/"+s.cfg.Version)
	if target.Secret != "" {
		sign(r.Header, target.Secret, time.Now(), text)
	}
	resp, err := s.cfg.Do(r)
	if err != nil {
		return fmt.Errorf("posting to the webhook: %w", withoutURL(err))
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // some servers call it an error when they are cut
	if resp.StatusCode/100 != 2 {
		return answerError{resp.StatusCode}
	}
	return nil
}

// withoutURL is the error without the address, in which some keep a key.
func withoutURL(err error) error {
	var where *url.Error
	if errors.As(err, &where) {
		return where.Err
	}
	return err
}

// sign adds what tells the receiver who has posted, and when.
func sign(h http.Header, secret string, now time.Time, text []byte) {
	stamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, stamp+".") // a hash takes everything
	_, _ = mac.Write(text)
	h.Set(headerTime, stamp)
	h.Set(headerSignature, "sha256="+hex.EncodeToString(mac.Sum(nil)))
}
