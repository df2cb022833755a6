package load

import "time"

// countFrom begins the time that counts, behind its warm-up.
func (f *fleet) countFrom(now time.Duration) {
	if f.o.Duration > 0 {
		f.from = now + f.o.Warmup
		f.until = f.from + f.o.Duration
	}
}

// mark tells of the beginning and of the end of the time that counts.
func (f *fleet) mark(now time.Duration) {
	if f.o.Mark == nil || f.until == 0 {
		return
	}
	for at := [...]time.Duration{f.from, f.until}; f.marks < len(at) && now >= at[f.marks]; f.marks++ {
		f.o.Mark()
	}
}

// now is the time since the run began.
func (f *fleet) now() time.Duration { return time.Since(f.base) }

// due is when message i is to be begun.
func (f *fleet) due(i uint64) time.Duration {
	return time.Duration(float64(i) / f.o.Pace * float64(time.Second))
}

// untilNext is how long the loop may wait for events.
func (f *fleet) untilNext(now time.Duration) time.Duration {
	d := patience
	if f.until > 0 && !f.ending {
		d = min(d, f.until-now)
	}
	if f.o.Pace > 0 && !f.ending && len(f.ready) > 0 {
		d = min(d, f.due(f.begun)-now)
	}
	return max(d, 0)
}

// beginDue begins the messages of a paced load whose time has come.
func (f *fleet) beginDue(now time.Duration) error {
	if f.o.Pace == 0 || f.ending {
		return nil
	}
	for len(f.ready) > 0 && f.due(f.begun) <= now {
		if f.o.Messages > 0 && f.begun == uint64(f.o.Messages) {
			f.end()
			return nil
		}
		c := f.ready[len(f.ready)-1]
		f.ready = f.ready[:len(f.ready)-1]
		at := f.due(f.begun)
		if c.stage == shut {
			f.begun++
			if err := f.dial(c, at); err != nil {
				return err
			}
			continue
		}
		f.begin(c, at)
	}
	return nil
}
