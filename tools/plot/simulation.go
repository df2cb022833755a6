package main

import (
	"fmt"
	"math"
)

// simulation is what is drawn of weir simulate's answer.
type simulation struct {
	Scenario   string  `json:"scenario"`
	Connectors int     `json:"connectors"`
	Replicas   int     `json:"replicas"`
	Bucket     float64 `json:"bucket_seconds"`
	Policies   []run   `json:"policies"`
}

type run struct {
	Policy string    `json:"policy"`
	Series []instant `json:"series"`
}

type instant struct {
	At       float64 `json:"at_s"`
	Deferred int64   `json:"deferred"`
	P99      float64 `json:"p99_ms"`
	BadShare float64 `json:"bad_share"`
	Eligible float64 `json:"eligible"`
}

func (s *simulation) chart() *chart {
	return &chart{
		Title: fmt.Sprintf("%s, %d connectors, replicas: %d", s.Scenario, s.Connectors, s.Replicas),
		Panels: []panel{
			s.panel("99th percentile, ms", true, func(i instant) float64 { return math.Max(i.P99, 1) }),
			s.panel("share of the attempts that went to bad connectors, %", false, func(i instant) float64 { return 100 * i.BadShare }),
			s.panel("messages deferred, a second", false, func(i instant) float64 { return float64(i.Deferred) / s.Bucket }),
			s.panel("eligible connectors", false, func(i instant) float64 { return i.Eligible }),
		},
	}
}

// panel is one column of all runs over time.
func (s *simulation) panel(title string, log bool, y func(instant) float64) panel {
	p := panel{Title: title, X: "seconds", LogY: log}
	for _, r := range s.Policies {
		line := series{Name: r.Policy}
		for _, i := range r.Series {
			line.Points = append(line.Points, point{i.At, y(i)})
		}
		p.Series = append(p.Series, line)
	}
	return p
}
