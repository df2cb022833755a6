package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"weir/dashboard"
	"weir/internal/connector"
)

// Bounds of what is asked of the running weir.
const (
	askedLongest = 10 * time.Minute // by when a pool's own probe has surely ended
	askedMore    = 10 * time.Second // than the time-out that it is given
	maxAnswer    = 4 << 20
)

// defaultAdmin is where the running weir is asked.
func defaultAdmin() string { return cmp.Or(os.Getenv("WEIR_ADMIN"), "http://127.0.0.1:8025") }

// askForProbe has the running weir probe one of its connectors.
func askForProbe(ctx context.Context, target string, f *probeFlags) (answer dashboard.ProbeAnswer, err error) {
	request, longest := dashboard.ProbeRequest{Depth: f.depth}, askedLongest
	if f.timeout > 0 {
		request.Timeout, longest = f.timeout.String(), f.timeout+askedMore
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	parts := strings.Split(target, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	err = post(ctx, f.admin, "/v1/backends/"+strings.Join(parts, "/")+"/probe", request, &answer)
	return answer, err
}

func adminURL(admin string) bool {
	u, err := url.Parse(admin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// post asks the running weir for something and reads its answer.
func post(ctx context.Context, admin, path string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("writing the request: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(admin, "/")+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("writing the request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("asking weir at %s: %s (is it running there? --admin or WEIR_ADMIN say where)", admin, plain(err))
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", admin, err)
	}
	if resp.StatusCode != http.StatusOK {
		return refusal(admin, resp.Status, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", admin, err)
	}
	return nil
}

// refusal is what weir says instead of an answer.
func refusal(admin, status string, text []byte) error {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &said) != nil || said.Error == "" {
		return fmt.Errorf("%s answers %s", admin, status)
	}
	return errors.New(said.Error)
}

// plain is what went wrong, without the method and the URL.
func plain(err error) string {
	var where *url.Error
	if errors.As(err, &where) {
		err = where.Err
	}
	return connector.Describe(err)
}
