package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/connector"
)

// Bounds of what is asked of the running weir.
const (
	lookLongest  = 10 * time.Second // for what it only has to tell
	orderLongest = 45 * time.Second // for what it has to share with other replicas, or to build anew
	maxAnswer    = 32 << 20         // a status of some ten thousand connectors
	maxToken     = 4 << 10
)

// adminFlags say which running weir is meant, and who asks.
type adminFlags struct{ admin, tokenFile string }

func (f *adminFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.admin, "admin", cmp.Or(os.Getenv("WEIR_ADMIN"), "http://127.0.0.1:8025"),
		"the running weir: its admin `URL`, or the path of its socket; environment WEIR_ADMIN")
	cmd.Flags().StringVar(&f.tokenFile, "token-file", os.Getenv("WEIR_TOKEN_FILE"),
		"the `file` with the token for it; environment WEIR_TOKEN_FILE")
}

// client asks the running weir.
type client struct {
	where     string // as the operator said it, for messages
	base      string // URL without a slash at its end
	token     string
	tokenFile string
	http      http.Client
}

// client returns the client that the flags describe. Its error is one of usage
// where the flags make no sense.
func (f *adminFlags) client(cmd *cobra.Command) (*client, error) {
	c := &client{where: f.admin, tokenFile: f.tokenFile}
	transport := &http.Transport{DisableKeepAlives: true}
	if path, ok := socketPath(f.admin); ok {
		// The name is only for the Host header, which a weir wants to know.
		c.base = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}
	} else if c.base, ok = adminURL(f.admin); !ok {
		return nil, usageError{fmt.Errorf("%q is no URL of a running weir, such as http://127.0.0.1:8025, and no path of its socket, such as /run/weir/admin.sock (--admin, WEIR_ADMIN)",
			f.admin), hintOf(cmd)}
	}
	c.http = http.Client{
		Transport: transport,
		// A token is for the weir that was named, not for where it points to.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var err error
	c.token, err = readToken(f.tokenFile, cmd.ErrOrStderr())
	return c, err
}

// socketPath tells the path of a Unix socket from a URL.
func socketPath(admin string) (path string, ok bool) {
	if path, ok = strings.CutPrefix(admin, "unix:"); ok {
		return "/" + strings.TrimLeft(path, "/"), strings.HasPrefix(path, "/")
	}
	return admin, strings.HasPrefix(admin, "/") || strings.HasPrefix(admin, "./") || strings.HasPrefix(admin, "../")
}

func adminURL(admin string) (base string, ok bool) {
	u, err := url.Parse(admin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", false
	}
	return strings.TrimRight(admin, "/"), true
}

// readToken returns the token in a file, or none without a file.
func readToken(path string, stderr io.Writer) (string, error) {
	if path == "" {
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || len(text) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("the token file %s must hold one word, the token, and nothing else", path)
	}
	if info, err := f.Stat(); err == nil && info.Mode()&0o007 != 0 {
		_, _ = fmt.Fprintf(stderr, "warning: everybody on this machine can read the token in %s; chmod 600 %s\n", path, path)
	}
	return token, nil
}

// get asks for a JSON document.
func (c *client) get(ctx context.Context, path string, answer any) error {
	text, err := c.ask(ctx, http.MethodGet, path, nil, lookLongest)
	if err != nil {
		return err
	}
	return c.decode(text, answer)
}

// post orders something, and reads the JSON document that answers.
func (c *client) post(ctx context.Context, path string, request, answer any, longest time.Duration) error {
	text, err := c.ask(ctx, http.MethodPost, path, request, longest)
	if err != nil {
		return err
	}
	return c.decode(text, answer)
}

func (c *client) decode(text []byte, answer any) error {
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", c.where, err)
	}
	return nil
}

// ask returns the body of a good answer; any other is a *[refusal].
func (c *client) ask(ctx context.Context, method, path string, request any, longest time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	resp, err := c.open(ctx, method, path, request, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %s", c.where, plain(err))
	}
	if resp.StatusCode != http.StatusOK {
		return nil, c.refusal(resp, text)
	}
	return text, nil
}

// open sends a request. The caller closes the answer's body.
func (c *client) open(ctx context.Context, method, path string, request any, header http.Header) (*http.Response, error) {
	var body io.Reader
	if request != nil {
		text, err := json.Marshal(request)
		if err != nil {
			return nil, fmt.Errorf("writing the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fmt.Errorf("writing the request: %w", err)
	}
	for key, values := range header {
		r.Header[key] = values
	}
	if request != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	return resp, nil
}

// unreachableError is no answer at all.
type unreachableError struct{ error }

func (c *client) unreachable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	remedy := "is it running there? --admin or WEIR_ADMIN say where"
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return unreachableError{fmt.Errorf("weir is not reachable at %s: its certificate is not one that this machine trusts; SSL_CERT_FILE names a PEM file with its authority", c.where)}
	}
	if errors.Is(err, os.ErrPermission) {
		remedy = "the socket is for its user and group only: become a member of the group, or use sudo"
	}
	return unreachableError{fmt.Errorf("weir is not reachable at %s: %s; %s", c.where, plain(err), remedy)}
}

// plain is what went wrong, without the method, the URL and the system call.
func plain(err error) string {
	var where *url.Error
	if errors.As(err, &where) {
		err = where.Err
	}
	text := connector.Describe(err)
	var call *os.SyscallError
	if text == err.Error() && errors.As(err, &call) {
		return call.Err.Error()
	}
	return text
}
