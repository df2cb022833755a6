package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"weir/internal/backend"
)

type proberFunc func(context.Context, backend.Spec, ProbeRequest) (ProbeAnswer, error)

func (f proberFunc) Probe(ctx context.Context, s backend.Spec, r ProbeRequest) (ProbeAnswer, error) {
	return f(ctx, s, r)
}

// probedServer has a prober that says what it was asked.
func probedServer() *Server {
	s, registry := newServer()
	registry.SetMembers("fax", []backend.Spec{
		{Pool: "fax", Name: "fax-a", Address: "192.0.2.3:25"},
		{Pool: "fax", Name: "mx-b", Address: "192.0.2.4:25"},
		{Pool: "fax", Name: "10.0.0.11:25", Address: "10.0.0.11:25"},
	})
	s.SetAccess(Access{Anonymous: RoleOperate})
	s.deps.Prober = proberFunc(func(_ context.Context, spec backend.Spec, r ProbeRequest) (ProbeAnswer, error) {
		switch r.Depth {
		case "refused":
			return ProbeAnswer{}, fmt.Errorf("%w: not that", ErrRefused)
		case "broken":
			return ProbeAnswer{}, errors.New("no slot")
		}
		return ProbeAnswer{
			Backend: spec.ID().String(), Address: spec.Address, Stage: "rcpt", Error: "rcpt: 450 <later>", Depth: r.Depth, TookMS: 1.5,
			Dialogue: []ProbeLine{{AtMS: 0.1, From: "connector", Text: "220 mx"}},
		}, nil
	})
	return s
}

func TestProbeOfAConnector(t *testing.T) {
	const answer = `{"backend":"internet/mx-a","address":"192.0.2.1:25","ok":false,"stage":"rcpt","error":"rcpt: 450 <later>","depth":"%s","took_ms":1.5,"dialogue":[{"at_ms":0.1,"from":"connector","text":"220 mx"}]}`
	for _, tt := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"POST", "/v1/backends/internet/mx-a/probe", "", 200, fmt.Sprintf(answer, "")},
		{"POST", "/v1/backends/mx-a/probe", `{"depth":"ehlo"}`, 200, fmt.Sprintf(answer, "ehlo")},
		{"POST", "/v1/backends/mx%2Da/probe", "{}", 200, fmt.Sprintf(answer, "")},
		{"POST", "/v1/backends/fax/10.0.0.11:25/probe", "", 200, `{"backend":"fax/10.0.0.11:25",`},
		{"POST", "/v1/backends/mx-b/probe", "", 409, `"\"mx-b\" is not unique: say which of internet/mx-b, fax/mx-b"`},
		{"POST", "/v1/backends/mx-c/probe", "", 404, `"no connector \"mx-c\"; there are internet/mx-a, internet/mx-b, fax/mx-b, fax/10.0.0.11:25, fax/fax-a"`},
		{"POST", "/v1/backends/fax/mx-a/probe", "", 404, `"no connector \"fax/mx-a\"; there are fax/mx-b, fax/10.0.0.11:25, fax/fax-a, `},
		{"POST", "/v1/backends/fax/fax-a/drian", "", 404, `"no such path: /v1/backends/fax/fax-a/drian"`},
		{"POST", "/v1/backends/probe", "", 404, `"no such path: `},
		{"POST", "/v1/backends/a/b/c/probe", "", 404, `"no such path: `},
		{"GET", "/v1/backends/mx-a/probe", "", 405, `"GET is not possible here, only POST"`},
		{"POST", "/v1/backends/mx-a/probe", `{"depht":"ehlo"}`, 400, `"the body must be nothing, or like `},
		{"POST", "/v1/backends/mx-a/probe", "ehlo", 400, `"the body must be nothing, or like `},
		{"POST", "/v1/backends/mx-a/probe", strings.Repeat(" ", maxBody+1), 413, `"the body has more than 4 KiB: it must be nothing, or as short as `},
		{"POST", "/v1/backends/mx-a/probe", `{"depth":"refused"}`, 400, `"refused: not that"`},
		{"POST", "/v1/backends/mx-a/probe", `{"depth":"broken"}`, 503, `"no slot"`},
	} {
		w := tell(probedServer(), tt.method, tt.path, tt.body)
		if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s %s %.40s: got %d %s, want %d %s", tt.method, tt.path, tt.body, w.Code, w.Body, tt.code, tt.want)
		}
	}
}

// Pages of others that a browser on this machine shows, by whatever name they
// call this server, and readers without leave to operate must not get through.
func TestWhoMayProbe(t *testing.T) {
	for _, tt := range []struct {
		host, origin, site string
		operate            bool
		want               int
	}{
		{"127.0.0.1:8025", "", "", true, 200},
		{"localhost:8025", "", "", true, 200},
		{"[::1]:8025", "", "", true, 200},
		{"[::1]", "", "", true, 200},
		{"localhost:8025", "http://localhost:8025", "same-origin", true, 200},
		{"127.0.0.1:8025", "", "none", true, 200},
		{"127.0.0.1:8025", "", "", false, 403},
		{"127.0.0.1:8025", "http://evil.example", "cross-site", true, 403},
		{"127.0.0.1:8025", "http://evil.example", "", true, 403},
		{"127.0.0.1:8025", "null", "", true, 403},
		{"127.0.0.1:8025", "http://127.0.0.1:9999", "same-site", true, 403},
		{"127.0.0.1:8025", "", "cross-site", true, 403},
		{"evil.example:8025", "http://evil.example:8025", "same-origin", true, 403},
	} {
		s := probedServer()
		if !tt.operate {
			s.SetAccess(Access{Anonymous: RoleRead})
		}
		w := httptest.NewRecorder()
		r := localRequest("POST", "/v1/backends/mx-a/probe", "")
		r.Host = tt.host
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		if tt.site != "" {
			r.Header.Set("Sec-Fetch-Site", tt.site)
		}
		s.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%+v: got %d %s", tt, w.Code, w.Body)
		}
	}
}

// A probe may take longer than a request may take to come in, and ends when its
// client goes.
func TestLongProbes(t *testing.T) {
	s := probedServer()
	began, ended := make(chan struct{}), make(chan error, 1)
	s.deps.Prober = proberFunc(func(ctx context.Context, _ backend.Spec, _ ProbeRequest) (ProbeAnswer, error) {
		close(began)
		<-ctx.Done()
		ended <- ctx.Err()
		return ProbeAnswer{}, ctx.Err()
	})
	address, stop := start(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "POST", "http://"+address+"/v1/backends/mx-a/probe", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answered := make(chan error, 1)
	go func() {
		resp, err := client.Do(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		answered <- err
	}()
	<-began
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the probe ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the probe goes on without its client")
	}
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
