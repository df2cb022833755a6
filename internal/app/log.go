package app

import (
	"io"
	"os"
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
	out  zerolog.Logger
	mask bool
	now  func() time.Time
}

// newLogger returns a logger to w; a nil w discards.
func newLogger(cfg config.Log, w io.Writer) *logger {
	if w == nil {
		w = io.Discard
	}
	if cfg.Format == "console" {
		w = console(w)
	}
	level, err := zerolog.ParseLevel(cfg.Level)
	if err != nil || cfg.Level == "" {
		level = zerolog.InfoLevel // config checks the level; a hand-made Config may have none
	}
	return &logger{out: zerolog.New(zerolog.SyncWriter(w)).Level(level), mask: cfg.MaskAddresses, now: time.Now}
}

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
	e := l.out.WithLevel(level)
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
