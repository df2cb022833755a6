package flow

import (
	"io"
	"syscall"
	"testing"
	"time"
)

// TestFlowUrgentDataInBulk: what stands behind urgent data and before the end is carried
// where the way spliced before, too.
func TestFlowUrgentDataInBulk(t *testing.T) {
	p := carry(t, newCarrier(t), Limits{Idle: ceiling})
	raw, err := p.sender.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = p.sender.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	sent, _ := io.Copy(p.sender, endless{}) // until nobody takes any more
	if err := raw.Control(func(fd uintptr) { _ = syscall.Sendto(int(fd), []byte("!"), syscall.MSG_OOB, nil) }); err != nil {
		t.Fatal(err)
	}
	tail := make(chan int64, 1)
	go func() {
		_ = p.sender.SetWriteDeadline(time.Now().Add(ceiling))
		n, _ := io.WriteString(p.sender, "behind")
		_ = p.sender.CloseWrite()
		tail <- int64(n)
	}()
	got, err := io.Copy(io.Discard, p.connector)
	if want := sent + <-tail; err != nil || got != want {
		t.Errorf("the connector has heard %d of %d octets, %v", got, want, err)
	}
}
