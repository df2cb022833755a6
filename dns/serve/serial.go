package serve

// newer reports whether serial a is after b (RFC 1982 section 3.2).
func newer(a, b uint32) bool { return int32(a-b) > 0 }

// nextSerial returns the serial of a change made at unix time now (seconds) to
// what old counts: the time, or old+1 when that is not newer. 0 is left out, it
// stands for "none".
func nextSerial(old, now uint32) uint32 {
	next := old + 1
	if old == 0 || newer(now, next) {
		next = now
	}
	if next == 0 {
		next = 1
	}
	return next
}
