package integration

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Ceilings for a browser on a busy machine.
const (
	browserStart  = 3 * time.Minute
	browserAnswer = 90 * time.Second
)

// browser is a Chromium with one page.
type browser struct {
	t   *testing.T
	ctx context.Context // of the page

	mu     sync.Mutex
	faults []string // what the page complained of
}

// startBrowser starts a Chromium with an empty page of a desk's size. It has a group of processes of its own, which ends with the
// test, and also if the test is killed.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	need(t, "chromium", "chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"), chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-component-update", true), chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		})) // as root it adds --no-sandbox by itself
	group, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end) // waits until it has ended, and its files are removed
	ctx, cancel := chromedp.NewContext(group)
	b := &browser{t: t, ctx: ctx}
	late := time.AfterFunc(browserStart, cancel)
	err := chromedp.Do(ctx) // the browser lives as long as this context, so it has no deadline
	if !late.Stop() || err != nil {
		cancel()
		t.Fatalf("starting Chromium: %v", err)
	}
	pid := chromedp.FromContext(ctx).Browser.Process().Pid
	off := guard(t, pid)
	listened := make(chan struct{})
	messages := chromedp.Console(ctx) // from here on, whenever they are read
	go func() {
		defer close(listened)
		for m, err := range messages {
			if err != nil {
				return
			}
			b.take(m)
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		cancel()
		<-listened
		off()
	})
	b.size(1440, 1000, false)
	return b
}

// take keeps what the page complains of: exceptions, errors and warnings of its own, and errors of the browser about it.
func (b *browser) take(m chromedp.ConsoleMessage) {
	if m.IsException() || m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning && m.Source == "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.faults = append(b.faults, fmt.Sprintf("%s (%s:%d)", m, m.URL, m.Line+1))
	}
}

// do has the browser do something.
func (b *browser) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserAnswer)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v; the page complained: %.2000s", what, err, b.complaints())
	}
}

// eval is the value of an expression in the page.
func (b *browser) eval(expression string) any {
	b.t.Helper()
	value, err := b.tryEval(expression)
	if err != nil {
		b.t.Fatalf("evaluating %.300s: %v", expression, err)
	}
	return value
}

func (b *browser) tryEval(expression string) (any, error) {
	ctx, cancel := context.WithTimeout(b.ctx, browserAnswer)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[any](expression, chromedp.EvalAwaitPromise))
	if errors.Is(err, chromedp.ErrJSUndefined) || errors.Is(err, chromedp.ErrJSNull) {
		return nil, nil
	}
	return value, err
}

// open shows a URL.
func (b *browser) open(url string) {
	b.t.Helper()
	b.do("opening "+url, chromedp.Navigate(url))
}

// wait waits until an expression is true in the page. While that is being loaded, an expression may fail.
func (b *browser) wait(ceiling time.Duration, expression, what string) {
	b.t.Helper()
	var last any
	ok := poll(ceiling, func() bool {
		value, err := b.tryEval(expression)
		last = value
		if err != nil {
			last = err
		}
		return err == nil && value == true
	})
	if !ok {
		shown, _ := b.tryEval(`document.body.innerText.slice(0, 3000)`)
		b.t.Fatalf("after %s: %s (%v); the page complained %d times: %.2000s; it shows:\n%v", ceiling, what, last, len(b.complaints()), b.complaints(), shown)
	}
}

// complaints are the errors that the page logged so far.
func (b *browser) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.faults)
}

// wantQuiet wants no complaint but those that contain one of the words.
func (b *browser) wantQuiet(but ...string) {
	b.t.Helper()
	for _, c := range b.complaints() {
		if !slices.ContainsFunc(but, func(word string) bool { return strings.Contains(c, word) }) {
			b.t.Errorf("the page complained: %.1500s", c)
		}
	}
}

// click presses the mouse in the middle of the element that a selector finds.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.do("clicking "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// press presses keys, one after the other: those of a text, or those that package kb names.
func (b *browser) press(keys string) {
	b.t.Helper()
	b.do("typing", chromedp.KeyEvent(keys))
}

// size makes the window so large; a phone has a finer screen.
func (b *browser) size(width, height int64, phone bool) {
	b.t.Helper()
	var as []chromedp.EmulateViewportOption
	if phone {
		as = append(as, chromedp.EmulateMobile, chromedp.EmulatePortrait, chromedp.EmulateScale(2))
	}
	b.do("sizing the window", chromedp.EmulateViewport(width, height, as...))
}

// scheme is what the user prefers: light or dark.
func (b *browser) scheme(name string) {
	b.t.Helper()
	prefers := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, prefers); err != nil {
		b.t.Fatalf("preferring %s: %v", name, err)
	}
}

// shot is a picture of the window, or of what a selector finds, as PNG.
func (b *browser) shot(selector string) []byte {
	b.t.Helper()
	take := chromedp.CaptureScreenshot()
	if selector != "" {
		take = chromedp.Screenshot(chromedp.CSS(selector))
	}
	ctx, cancel := context.WithTimeout(b.ctx, browserAnswer)
	defer cancel()
	picture, err := chromedp.Run(ctx, take)
	if err != nil {
		b.t.Fatalf("taking a picture: %v", err)
	}
	return picture
}
