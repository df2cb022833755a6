package main

import (
	"strings"
	"testing"

	"weir/integration/bench/table"
)

func TestIdleMarkdown(t *testing.T) {
	rows := []idleRow{
		{front: table.Weir, sessions: 5000, before: 20 << 20, with: 20<<20 + 5000*6144},
		{front: table.Weir, sessions: 15_000, messages: 1, before: 20 << 20, with: 20<<20 + 15_000*9216},
		{front: table.Weir, sessions: 5000, before: 20 << 20, with: 21 << 20, held: 2},
		{front: table.HAProxy, sessions: 5000, before: 10 << 20, with: 10<<20 + 5000*3072, held: 5000},
	}
	got := idleMarkdown(rows)
	for _, want := range []string{
		"| weir | 5000 | said EHLO | 20.0 | 49.3 | 6.0 | 0 | ≤ 8 KiB, none held: met |\n",
		"| weir | 15 000 | delivered a message | 20.0 | 151.8 | 9.0 | 0 | ≤ 8 KiB, none held: **missed** |\n",
		"| weir | 5000 | said EHLO | 20.0 | 21.0 | 0.2 | 2 | ≤ 8 KiB, none held: **missed** |\n",
		"| HAProxy | 5000 | said EHLO | 10.0 | 24.6 | 3.0 | 5000 | – |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
