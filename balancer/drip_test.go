package balancer_test

import (
	"bytes"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Content that comes octet by octet holds a connector for no longer than silence
// does, and a sender that is only slow, or pauses, loses nothing.

func TestDrippingContentIsEnded(t *testing.T) {
	for _, begin := range []string{"DATA\r\n", "BDAT 100000 LAST\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			v := newVirtual(t)
			v.start()
			s := v.sender()
			s.envelope()
			began := time.Now()
			if _, err := io.WriteString(s.nc, begin); err != nil {
				t.Fatal(err)
			}
			var dripping sync.WaitGroup
			dripping.Go(func() {
				for { // an octet a second, for as long as weir takes them
					time.Sleep(time.Second)
					if _, err := s.nc.Write([]byte("x")); err != nil {
						return
					}
				}
			})
			if begin == "DATA\r\n" {
				s.ask("", "354 *")
			}
			s.ask("", "421 4.4.2 No content in time *")
			patience := v.cfg.Listeners[0].Timeouts.Data
			if took := time.Since(began); took < patience || took > patience+patience/50 {
				t.Errorf("ended after %v, with a patience of %v", took, patience)
			}
			_ = s.nc.Close()
			dripping.Wait()
		})
	}
}

func TestSlowContentIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		v.start()
		s := v.sender()
		s.envelope()
		s.ask("DATA\r\n", "354 *")
		patience := v.cfg.Listeners[0].Timeouts.Data
		line := append(bytes.Repeat([]byte("x"), 118), '\r', '\n')
		for range 1000 { // 120 octets a second
			time.Sleep(time.Second)
			if _, err := s.nc.Write(line); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(patience - time.Second) // a pause
		s.ask(".\r\n", "250 *")
	})
}
