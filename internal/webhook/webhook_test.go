package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"weir/internal/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver notes what it is posted, and answers as it is told.
type receiver struct {
	mu      sync.Mutex
	answer  func(*http.Request) (int, error)
	bodies  []body
	headers []http.Header
	tries   []time.Time
}

func (r *receiver) do(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	answer := r.answer
	r.tries = append(r.tries, time.Now())
	r.mu.Unlock()
	code, err := 204, error(nil)
	if answer != nil {
		code, err = answer(req)
	}
	if err != nil {
		return nil, err
	}
	if code/100 == 2 {
		var b body
		text, _ := io.ReadAll(req.Body)
		if err := json.Unmarshal(text, &b); err != nil {
			return nil, err
		}
		r.mu.Lock()
		r.bodies, r.headers = append(r.bodies, b), append(r.headers, req.Header)
		r.mu.Unlock()
	}
	return &http.Response{StatusCode: code, Body: io.NopCloser(strings.NewReader("thank you"))}, nil
}

func (r *receiver) set(answer func(*http.Request) (int, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// got returns the ids of the events that came, and the sum of what was dropped.
func (r *receiver) got() (ids []uint64, dropped int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.bodies {
		dropped += r.bodies[i].Dropped
		for j := range r.bodies[i].Events {
			ids = append(ids, r.bodies[i].Events[j].ID)
		}
	}
	return ids, dropped
}

// bench runs a sender to a receiver within a bubble.
type bench struct {
	receiver
	log    *events.Log
	sender *Sender
	told   []string
	stop   func()
}

func start(t *testing.T, kept int) *bench {
	b := &bench{log: events.NewLog(kept)}
	b.sender = New(Config{Events: b.log, Replica: "weir-1", Version: "1.2", Do: b.do, Tell: func(why string) { b.told = append(b.told, why) }})
	b.sender.Set(Target{URL: "https://alerts.example.com/weir", Secret: "0123456789abcdef"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.sender.Run(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return b
}

func (b *bench) happen(n int) {
	for range n {
		b.log.Append(events.Event{Kind: "backend", Pool: "internet", Backend: "mx-a", From: "up", To: "down", Why: "why", By: "probe"})
	}
}

func upTo(n uint64) (ids []uint64) {
	for id := uint64(1); id <= n; id++ {
		ids = append(ids, id)
	}
	return ids
}

func TestEventsArriveInOrderAndSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 10)
		b.happen(1)
		synctest.Wait()
		b.happen(2)
		synctest.Wait()
		b.stop()
		ids, dropped := b.got()
		if !slices.Equal(ids, upTo(3)) || dropped != 0 || len(b.told) != 0 {
			t.Errorf("got %v, %d dropped, told %q", ids, dropped, b.told)
		}
		first := b.bodies[0]
		if first.Replica != "weir-1" || first.Version != "1.2" || first.Events[0].To != "down" || first.Events[0].Time.IsZero() {
			t.Errorf("%+v", first)
		}
		h := b.headers[0]
		text, _ := json.Marshal(first)
		mac := hmac.New(sha256.New, []byte("0123456789abcdef"))
		mac.Write([]byte(h.Get("X-Weir-Timestamp") + "." + string(text)))
		if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); h.Get("X-Weir-Signature") != want || h.Get("Content-Type") != "application/json" {
			t.Errorf("%v, want the signature %s", h, want)
		}
	})
}

func TestADeadReceiverIsTriedAgainWithGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 10)
		b.set(func(*http.Request) (int, error) { return 0, errors.New("connection refused") })
		b.happen(1)
		time.Sleep(20 * time.Second) // virtual
		b.happen(1)
		b.set(nil)
		time.Sleep(time.Minute) // virtual
		b.stop()
		if ids, dropped := b.got(); !slices.Equal(ids, upTo(2)) || dropped != 0 {
			t.Errorf("got %v, %d dropped", ids, dropped)
		}
		var pauses []time.Duration
		for i := 1; i < len(b.tries); i++ {
			pauses = append(pauses, b.tries[i].Sub(b.tries[i-1]))
		}
		if want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}; !slices.Equal(pauses, want) {
			t.Errorf("pauses %v, want %v", pauses, want)
		}
		if len(b.told) != 1 || !strings.Contains(b.told[0], "connection refused") {
			t.Errorf("told %q", b.told)
		}
	})
}

// However long nobody takes anything, little waits, and what was dropped is told.
func TestTheOldestAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 5*maxWaiting)
		b.set(func(*http.Request) (int, error) { return 503, nil })
		b.happen(1)
		synctest.Wait()
		b.happen(maxWaiting + 4)
		time.Sleep(10 * time.Second) // virtual
		b.set(nil)
		time.Sleep(time.Minute) // virtual
		b.stop()
		ids, dropped := b.got()
		if want := upTo(maxWaiting + 5)[5:]; !slices.Equal(ids, want) || dropped != 5 || b.sender.Dropped() != 5 {
			t.Errorf("%d came, from %d on; %d told dropped, %d counted", len(ids), ids[0], dropped, b.sender.Dropped())
		}
		for i := range b.bodies {
			if n := len(b.bodies[i].Events); n > maxBatch {
				t.Errorf("%d events in a post", n)
			}
		}
	})
}

// The log's ring may be overtaken too, while one post takes long.
func TestASlowReceiverHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 10)
		release := make(chan struct{})
		b.set(func(*http.Request) (int, error) {
			<-release
			return 200, nil
		})
		b.happen(1)
		synctest.Wait()
		b.happen(100) // returns at once
		close(release)
		synctest.Wait()
		b.stop()
		ids, dropped := b.got()
		if len(ids) != 11 || ids[0] != 1 || ids[10] != 101 || dropped != 90 {
			t.Errorf("got %v, %d dropped", ids, dropped)
		}
	})
}

func TestWhatIsRefusedIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 10)
		b.set(func(*http.Request) (int, error) { return 422, nil })
		b.happen(2)
		time.Sleep(500 * time.Millisecond) // virtual: within the pause
		b.set(nil)
		b.happen(1)
		time.Sleep(time.Minute) // virtual
		b.stop()
		if ids, dropped := b.got(); !slices.Equal(ids, []uint64{3}) || dropped != 2 {
			t.Errorf("got %v, %d dropped", ids, dropped)
		}
		if len(b.tries) != 2 || len(b.told) != 2 || !strings.Contains(b.told[1], "2 events are not posted: the receiver of the webhook answered 422") {
			t.Errorf("%d tries, told %q", len(b.tries), b.told)
		}
	})
}

func TestTriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 10)
		b.set(func(*http.Request) (int, error) { return 404, nil })
		b.happen(1)
		time.Sleep(3 * time.Hour) // virtual
		b.stop()
		if len(b.tries) != maxTries || b.sender.Dropped() != 1 {
			t.Errorf("%d tries, %d dropped", len(b.tries), b.sender.Dropped())
		}
	})
}

func TestWithoutATargetNothingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 10)
		b.sender.Set(Target{})
		synctest.Wait()
		b.happen(2)
		synctest.Wait()
		b.sender.Set(Target{URL: "http://192.0.2.1/"})
		synctest.Wait()
		b.happen(1)
		synctest.Wait()
		b.stop()
		if ids, dropped := b.got(); !slices.Equal(ids, []uint64{3}) || dropped != 0 {
			t.Errorf("got %v, %d dropped", ids, dropped)
		}
		if sig := b.headers[0].Get(headerSignature); sig != "" {
			t.Errorf("signed without a secret: %s", sig)
		}
	})
}

// Another target is tried at once, with what waits.
func TestANewTargetEndsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 10)
		b.set(func(r *http.Request) (int, error) {
			if r.URL.Host == "alerts.example.com" {
				return 500, nil
			}
			return 200, nil
		})
		b.happen(1)
		time.Sleep(time.Minute) // virtual
		b.sender.Set(Target{URL: "http://192.0.2.1/"})
		synctest.Wait()
		if ids, _ := b.got(); !slices.Equal(ids, upTo(1)) {
			t.Errorf("got %v", ids)
		}
		b.stop()
	})
}

// Over the network: redirects are not followed, and the end does not wait.
func TestOverTheNetwork(t *testing.T) {
	elsewhere := make(chan string, 10)
	hang := make(chan struct{})
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere <- r.URL.Path
		if asked.Add(1) == 1 {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
			return
		}
		<-hang
	}))
	defer s.Close()
	defer close(hang)
	log := events.NewLog(10)
	sender := New(Config{Events: log})
	sender.Set(Target{URL: s.URL + "/hook"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sender.Run(ctx) }()
	log.Append(events.Event{Kind: "config"})
	for range 2 {
		if path := <-elsewhere; path != "/hook" {
			t.Errorf("asked for %s", path)
		}
	}
	cancel() // the receiver hangs meanwhile
	if err := <-done; err != nil {
		t.Error(err)
	}
}
