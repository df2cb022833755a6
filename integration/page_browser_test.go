package integration

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// browser is a Chromium that is spoken to through a pair of pipes, in the Chrome DevTools Protocol: one JSON object after
// the other, each ended by a NUL. No port is opened and no library is needed.
type browser struct {
	t       *testing.T
	cmd     *exec.Cmd
	in      *os.File
	session string // of the one page

	mu      sync.Mutex
	next    int
	waiting map[int]chan protocolAnswer
	ended   bool
	faults  []string // what the page complained of
}

type protocolAnswer struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// startBrowser starts a Chromium with an empty page of a desk's size.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	need(t, "chromium", "chromium")
	toBrowser, in := pipe(t)
	out, fromBrowser := pipe(t)
	b := &browser{t: t, in: in, waiting: map[int]chan protocolAnswer{}}
	b.cmd = exec.Command("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--user-data-dir="+t.TempDir(),
		"--remote-debugging-pipe", "about:blank")
	b.cmd.ExtraFiles = []*os.File{toBrowser, fromBrowser} // 3 and 4, as the option wants
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := b.cmd.Start(); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	_, _ = toBrowser.Close(), fromBrowser.Close()
	off := guard(t, b.cmd.Process.Pid)
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.listen(out)
	}()
	t.Cleanup(func() {
		_ = b.in.Close()
		_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
		_ = b.cmd.Wait()
		<-read
		_ = out.Close()
		off()
	})
	b.attach()
	return b
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatalf("making a pipe: %v", err)
	}
	return r, w
}

// attach makes the page and has its complaints told.
func (b *browser) attach() {
	b.t.Helper()
	var target struct {
		TargetID string `json:"targetId"`
	}
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct {
		SessionID string `json:"sessionId"`
	}
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	b.session = session.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	b.size(1440, 1000, false)
}

// listen takes what the browser says until it ends.
func (b *browser) listen(out io.Reader) {
	r := bufio.NewReader(out)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			b.end()
			return
		}
		var m protocolAnswer
		if json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &m) == nil {
			b.take(m)
		}
	}
}

// end lets nobody wait for a browser that is gone.
func (b *browser) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	for id, c := range b.waiting {
		close(c)
		delete(b.waiting, id)
	}
}

func (b *browser) take(m protocolAnswer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.waiting[m.ID]; c != nil {
		delete(b.waiting, m.ID)
		c <- m
		return
	}
	text := string(m.Params)
	switch {
	case m.Method == "Runtime.exceptionThrown",
		m.Method == "Runtime.consoleAPICalled" && (strings.Contains(text, `"type":"error"`) || strings.Contains(text, `"type":"warning"`)),
		m.Method == "Log.entryAdded" && strings.Contains(text, `"level":"error"`):
		b.faults = append(b.faults, text)
	}
}

// call has the browser do something; into is nil where the result does not matter.
func (b *browser) call(method string, params map[string]any, into any) {
	b.t.Helper()
	if err := b.try(method, params, into); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
}

func (b *browser) try(method string, params map[string]any, into any) error {
	c := make(chan protocolAnswer, 1)
	if err := b.send(method, params, c); err != nil {
		return err
	}
	select {
	case m, ok := <-c:
		switch {
		case !ok:
			return errors.New("the browser has ended")
		case m.Error != nil:
			return errors.New(m.Error.Message)
		case into != nil:
			return json.Unmarshal(m.Result, into)
		}
		return nil
	case <-time.After(time.Minute):
		return errors.New("the browser has not answered for a minute")
	}
}

func (b *browser) send(method string, params map[string]any, c chan protocolAnswer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return errors.New("the browser has ended")
	}
	b.next++
	request := map[string]any{"id": b.next, "method": method}
	if params != nil {
		request["params"] = params
	}
	if b.session != "" {
		request["sessionId"] = b.session
	}
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	b.waiting[b.next] = c
	_, err = b.in.Write(append(text, 0))
	return err
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
	var out struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
		Exception *struct {
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	err := b.try("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &out)
	if err == nil && out.Exception != nil {
		err = errors.New(out.Exception.Exception.Description)
	}
	return out.Result.Value, err
}

// open shows a URL.
func (b *browser) open(url string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
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
	place := fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({block: "center"});
		const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`, selector)
	at, ok := b.eval(place).([]any)
	if !ok || len(at) != 2 {
		b.t.Fatalf("no place to click for %s", selector)
	}
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		b.call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1}, nil)
	}
}

// press presses a key; a letter also writes itself.
func (b *browser) press(key string) {
	b.t.Helper()
	codes := map[string]int{"Enter": 13, "Escape": 27, "Tab": 9, "ArrowDown": 40, "ArrowUp": 38}
	down := map[string]any{"type": "keyDown", "key": key, "windowsVirtualKeyCode": codes[key]}
	switch {
	case len(key) == 1:
		down["text"] = key
	case key == "Enter":
		down["text"] = "\r"
	}
	b.call("Input.dispatchKeyEvent", down, nil)
	b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "windowsVirtualKeyCode": codes[key]}, nil)
}

// write types a text where the focus is.
func (b *browser) write(text string) {
	b.t.Helper()
	b.call("Input.insertText", map[string]any{"text": text}, nil)
}

// size makes the window so large; a phone has a finer screen.
func (b *browser) size(width, height int, phone bool) {
	b.t.Helper()
	scale := 1
	if phone {
		scale = 2
	}
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone}, nil)
}

// scheme is what the user prefers: light or dark.
func (b *browser) scheme(name string) {
	b.t.Helper()
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": name}}}, nil)
}

// shot is a picture of the window, or of what a selector finds, as PNG.
func (b *browser) shot(selector string) []byte {
	b.t.Helper()
	var out struct {
		Data string `json:"data"`
	}
	params := map[string]any{"format": "png"}
	if selector != "" {
		clip, ok := b.eval(fmt.Sprintf(`(() => { const r = document.querySelector(%q).getBoundingClientRect();
			return {x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height, scale: 1}; })()`, selector)).(map[string]any)
		if !ok {
			b.t.Fatalf("nothing to picture for %s", selector)
		}
		params["clip"], params["captureBeyondViewport"] = clip, true
	}
	b.call("Page.captureScreenshot", params, &out)
	picture, err := base64.StdEncoding.DecodeString(out.Data)
	if err != nil {
		b.t.Fatalf("decoding the picture: %v", err)
	}
	return picture
}
