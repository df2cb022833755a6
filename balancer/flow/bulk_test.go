package flow

import (
	"io"
	"syscall"
	"testing"
)

// TestFlowUrgentDataInBulk: what stands behind urgent data and before the end is carried
// where the way splices, too.
func TestFlowUrgentDataInBulk(t *testing.T) {
	p := carry(t, newCarrier(t), Limits{Idle: ceiling})
	raw, err := p.sender.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = p.connector.SetReadBuffer(16 << 10)
	sent := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(p.sender, io.LimitReader(endless{}, 12<<20)) // more than is taken before the connector reads
		if err := raw.Control(func(fd uintptr) { err = syscall.Sendto(int(fd), []byte("!"), syscall.MSG_OOB, nil) }); err != nil {
			t.Error(err)
		}
		m, _ := io.WriteString(p.sender, "behind")
		_ = p.sender.CloseWrite()
		sent <- n + int64(m)
	}()
	got, err := io.Copy(io.Discard, p.connector)
	if want := <-sent; got != want || err != nil {
		t.Errorf("the connector has heard %d of %d octets, %v", got, want, err)
	}
}
