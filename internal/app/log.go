package app

import (
	"io"
	"os"
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
	style := l.style.Load()
	e := style.out.WithLevel(level)
	if e == nil {
		return nil
	}
	var stamp [len(timeLayout)]byte
	return e.Bytes(fieldTime, l.now().AppendFormat(stamp[:0], timeLayout)).Str(fieldMsg, msg)
}

func (l *logger) info(msg string) *zerolog.Event  { return l.line(zerolog.InfoLevel, msg) }
func (l *logger) warn(msg string) *zerolog.Event  { return l.line(zerolog.WarnLevel, msg) }
func (l *logger) error(msg string) *zerolog.Event { return l.line(zerolog.ErrorLevel, msg) }

// milliseconds is how durations are logged, to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
