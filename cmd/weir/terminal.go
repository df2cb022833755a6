package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// screen is where a command writes: for people on a terminal, or for programs
// behind a pipe.
type screen struct {
	w      io.Writer
	tty    bool
	colour bool
}

// screenOf looks at what w is. NO_COLOR is honoured (https://no-color.org).
func screenOf(w io.Writer) screen {
	tty := isTerminal(w)
	return screen{w: w, tty: tty, colour: tty && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// paint is a colour, as the parameter of the SGR control sequence (ECMA-48).
type paint string

const (
	uncoloured paint = ""
	bold       paint = "1"
	red        paint = "31"
	green      paint = "32"
	yellow     paint = "33"
	cyan       paint = "36"
)

func (s screen) in(p paint, text string) string {
	if !s.colour || p == uncoloured || text == "" {
		return text
	}
	return "\x1b[" + string(p) + "m" + text + "\x1b[0m"
}

// cell is a field of a table.
type cell struct {
	text  string
	paint paint
	right bool // aligned, as numbers are
}

// columns writes rows with their fields below each other.
func (s screen) columns(b *strings.Builder, indent string, rows [][]cell) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			row[i].text = oneLine(c.text)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		line.WriteString(indent)
		for i, c := range row {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
			if c.right {
				line.WriteString(gap + s.in(c.paint, c.text))
			} else {
				line.WriteString(s.in(c.paint, c.text) + gap)
			}
			line.WriteString("  ")
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// age is how long ago something was, in its greatest unit.
func age(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
}

// took is a latency given in milliseconds; 0 is none that was measured.
func took(ms float64) string {
	switch {
	case ms == 0:
		return "-"
	case ms < 0.1:
		return "<0.1ms"
	case ms < 10:
		return fmt.Sprintf("%.1fms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0fms", ms)
	default:
		return fmt.Sprintf("%.1fs", ms/1000)
	}
}
