package app

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"weir/config"
)

// The names of the fields that every line has. They are spelt out here instead
// of through zerolog's package variables, which belong to the whole process.
const (
	fieldTime  = "time"
	fieldLevel = "level"
	fieldMsg   = "msg"
	timeLayout = "2006-01-02T15:04:05.000Z07:00"
)

// logger writes the log's lines. It is safe for use from many goroutines.
type logger struct {
	w     io.Writer
	style atomic.Pointer[logStyle]
	now   func() time.Time

	second atomic.Pointer[second] // of the last line
}

// logStyle is what a reload may change.
type logStyle struct {
	out  zerolog.Logger
	mask bool
}

// newLogger returns a logger to w; a nil w discards.
func newLogger(cfg config.Log, w io.Writer) *logger {
	if w == nil {
		w = io.Discard
	}
	l := &logger{w: w, now: time.Now}
	l.set(cfg)
	return l
}

// set changes how lines are written from now on.
func (l *logger) set(cfg config.Log) {
	w := l.w
	if cfg.Format == "console" {
		w = console(w)
	}
	level, err := zerolog.ParseLevel(cfg.Level)
	if err != nil || cfg.Level == "" {
		level = zerolog.InfoLevel // config checks the level; a hand-made Config may have none
	}
	l.style.Store(&logStyle{out: zerolog.New(zerolog.SyncWriter(w)).Level(level), mask: cfg.MaskAddresses})
}

// masks reports whether addresses are hidden.
func (l *logger) masks() bool { return l.style.Load().mask }

func console(w io.Writer) io.Writer {
	return zerolog.ConsoleWriter{
		Out:           w,
		NoColor:       !isTerminal(w),
		TimeFormat:    "15:04:05.000",
		PartsOrder:    []string{fieldTime, fieldLevel, fieldMsg},
		FieldsExclude: []string{fieldMsg},
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// line begins a line; nil, which zerolog's methods take, when the level is off.
func (l *logger) line(level zerolog.Level, msg string) *zerolog.Event {
	e := l.style.Load().out.WithLevel(level)
	if e == nil {
		return nil
	}
	return l.begin(e, l.now(), msg)
}

// begin adds what every line begins with.
func (l *logger) begin(e *zerolog.Event, now time.Time, msg string) *zerolog.Event {
	var stamp [len(timeLayout)]byte
	return e.Bytes(fieldTime, l.stamp(stamp[:0], now)).Str(fieldMsg, msg)
}

// second is the stamp of a second's beginning: all lines in it differ in three digits.
type second struct {
	unix int64
	text []byte
}

// thousandths is where those digits are.
const thousandths = len("2006-01-02T15:04:05.")

// stamp appends a line's time.
func (l *logger) stamp(dst []byte, now time.Time) []byte {
	s := l.second.Load()
	if s == nil || s.unix != now.Unix() {
		s = &second{now.Unix(), now.AppendFormat(nil, timeLayout)}
		l.second.Store(s)
	}
	dst = append(dst, s.text...)
	ms := now.Nanosecond() / int(time.Millisecond)
	digits := dst[len(dst)-len(s.text)+thousandths:]
	digits[0], digits[1], digits[2] = byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10)
	return dst
}

func (l *logger) info(msg string) *zerolog.Event  { return l.line(zerolog.InfoLevel, msg) }
func (l *logger) warn(msg string) *zerolog.Event  { return l.line(zerolog.WarnLevel, msg) }
func (l *logger) error(msg string) *zerolog.Event { return l.line(zerolog.ErrorLevel, msg) }

// milliseconds is how durations are logged, to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// duration adds milliseconds, as Float64 would write them: a number of thousandths is
// shortest as it is, and finding that out takes most of a line's time.
func duration(e *zerolog.Event, key string, d time.Duration) *zerolog.Event {
	us := d.Microseconds()
	if us < 0 || us > 1<<52 {
		return e.Float64(key, milliseconds(d))
	}
	var space [24]byte
	text := strconv.AppendInt(space[:0], us/1000, 10)
	if rest := us % 1000; rest > 0 {
		text = append(text, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
		text = bytes.TrimRight(text, "0")
	}
	return e.RawJSON(key, text)
}
