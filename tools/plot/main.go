// Command plot draws the time series of a simulation as an SVG, one panel below the
// other, a line a policy:
//
//	weir simulate slow-tenth -o json > slow-tenth.json
//	go run -C tools/plot . slow-tenth.json slow-tenth.svg
//
// It is a module apart, so that weir itself stays without a plotting library.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// result is what is drawn of weir's answer.
type result struct {
	Scenario   string  `json:"scenario"`
	Connectors int     `json:"connectors"`
	Replicas   int     `json:"replicas"`
	Bucket     float64 `json:"bucket_seconds"`
	Policies   []run   `json:"policies"`
}

type run struct {
	Policy string  `json:"policy"`
	Series []point `json:"series"`
}

type point struct {
	At       float64 `json:"at_s"`
	Deferred int64   `json:"deferred"`
	P99      float64 `json:"p99_ms"`
	BadShare float64 `json:"bad_share"`
	Eligible float64 `json:"eligible"`
}

// panel is one of the plots.
type panel struct {
	title string
	log   bool
	y     func(point) float64
}

func panels(r *result) []panel {
	return []panel{
		{"99th percentile, ms", true, func(p point) float64 { return math.Max(p.P99, 1) }},
		{"share of the attempts that went to bad connectors, %", false, func(p point) float64 { return 100 * p.BadShare }},
		{"messages deferred, a second", false, func(p point) float64 { return float64(p.Deferred) / r.Bucket }},
		{"eligible connectors", false, func(p point) float64 { return p.Eligible }},
	}
}

func main() {
	if err := plotFile(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

const (
	width  = 18 * vg.Centimeter
	height = 5 * vg.Centimeter // of a panel
)

func plotFile(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: plot IN.json OUT.svg; IN.json is what weir simulate -o json prints")
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return fmt.Errorf("reading the result: %w", err)
	}
	var r result
	if err := json.Unmarshal(data, &r); err != nil || len(r.Policies) == 0 {
		return fmt.Errorf("%s is not what weir simulate -o json prints: %w", args[0], errors.Join(err, errors.New("it needs policies with series")))
	}
	canvas, err := drawAll(&r)
	if err != nil {
		return err
	}
	out, err := os.Create(args[1])
	if err != nil {
		return fmt.Errorf("writing the plot: %w", err)
	}
	_, err = canvas.WriteTo(out)
	return errors.Join(err, out.Close())
}

func drawAll(r *result) (*vgsvg.Canvas, error) {
	all := panels(r)
	canvas := vgsvg.New(width, height*vg.Length(len(all)))
	page := draw.New(canvas)
	page.SetColor(color.White)
	page.Fill(page.Rectangle.Path())
	tiles := draw.Tiles{Rows: len(all), Cols: 1, PadTop: 8, PadBottom: 8, PadLeft: 8, PadRight: 12, PadY: 8}
	for i, p := range all {
		drawn, err := drawPanel(r, &p, i == 0)
		if err != nil {
			return nil, fmt.Errorf("drawing %s: %w", p.title, err)
		}
		drawn.Draw(tiles.At(page, 0, i))
	}
	return canvas, nil
}

func drawPanel(r *result, p *panel, first bool) (*plot.Plot, error) {
	drawn := plot.New()
	drawn.Title.Text, drawn.Title.TextStyle.Font.Size = p.title, vg.Points(10)
	if first {
		drawn.Title.Text = fmt.Sprintf("%s, %d connectors, replicas: %d. %s", r.Scenario, r.Connectors, r.Replicas, p.title)
		drawn.Legend.Top = true
	}
	drawn.Add(plotter.NewGrid())
	for i, run := range r.Policies {
		points := make(plotter.XYs, len(run.Series))
		for k, at := range run.Series {
			points[k] = plotter.XY{X: at.At, Y: p.y(at)}
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = colours()[i%len(colours())], vg.Points(1.4)
		drawn.Add(line)
		if first {
			drawn.Legend.Add(run.Policy, line)
		}
	}
	drawn.X.Label.Text = "seconds"
	drawn.X.Max *= 1.25 // room for the legend
	if p.log {
		drawn.Y.Min = math.Pow(10, math.Floor(math.Log10(drawn.Y.Min)))
		drawn.Y.Max = math.Pow(10, math.Ceil(math.Log10(drawn.Y.Max)))
		drawn.Y.Scale, drawn.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	} else {
		drawn.Y.Min = 0
		drawn.Y.Max = math.Max(drawn.Y.Max*1.05, 1)
	}
	return drawn, nil
}

// colours can be told apart by those who see few (Okabe and Ito).
func colours() []color.Color {
	return []color.Color{
		color.RGBA{0x00, 0x72, 0xb2, 0xff},
		color.RGBA{0xe6, 0x9f, 0x00, 0xff},
		color.RGBA{0x00, 0x9e, 0x73, 0xff},
		color.RGBA{0xcc, 0x79, 0xa7, 0xff},
		color.RGBA{0x55, 0x55, 0x55, 0xff},
	}
}
