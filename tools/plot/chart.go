package main

import (
	"errors"
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// chart is panels below each other. The legend is in the first.
type chart struct {
	Title  string  `json:"title"`
	Panels []panel `json:"panels"`
}

// panel is one of the plots. A logarithmic axis takes positive numbers only; another
// one begins at 0 if it goes upwards.
type panel struct {
	Title  string   `json:"title"`
	X      string   `json:"x"` // what is along it
	LogX   bool     `json:"log_x"`
	LogY   bool     `json:"log_y"`
	Series []series `json:"series"`
}

type series struct {
	Name   string  `json:"name"`
	Points []point `json:"points"`
}

type point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

const (
	width  = 18 * vg.Centimeter
	height = 5 * vg.Centimeter // of a panel
	few    = 20                // points of which each is marked
	legend = 0.25              // of the panel's width is left to the legend
)

func (c *chart) check() error {
	if len(c.Panels) == 0 {
		return errors.New("there are no panels")
	}
	for _, p := range c.Panels {
		for _, s := range p.Series {
			if len(s.Points) == 0 {
				return fmt.Errorf("%s of %q has no points", s.Name, p.Title)
			}
			for _, at := range s.Points {
				if p.LogX && at.X <= 0 || p.LogY && at.Y <= 0 {
					return fmt.Errorf("%s of %q has %g, %g on a logarithmic axis", s.Name, p.Title, at.X, at.Y)
				}
			}
		}
	}
	return nil
}

func (c *chart) draw() (*vgsvg.Canvas, error) {
	canvas := vgsvg.New(width, height*vg.Length(len(c.Panels)))
	page := draw.New(canvas)
	page.SetColor(color.White)
	page.Fill(page.Rectangle.Path())
	tiles := draw.Tiles{Rows: len(c.Panels), Cols: 1, PadTop: 8, PadBottom: 8, PadLeft: 8, PadRight: 12, PadY: 8}
	for i := range c.Panels {
		drawn, err := c.drawPanel(i)
		if err != nil {
			return nil, fmt.Errorf("drawing %s: %w", c.Panels[i].Title, err)
		}
		drawn.Draw(tiles.At(page, 0, i))
	}
	return canvas, nil
}

func (c *chart) drawPanel(i int) (*plot.Plot, error) {
	p, drawn := &c.Panels[i], plot.New()
	drawn.Title.Text, drawn.Title.TextStyle.Font.Size = p.Title, vg.Points(10)
	if i == 0 {
		drawn.Title.Text = c.Title + ". " + p.Title
		drawn.Legend.Top = true
	}
	drawn.Add(plotter.NewGrid())
	for k, s := range p.Series {
		if err := drawSeries(drawn, s, colours()[k%len(colours())], i == 0); err != nil {
			return nil, err
		}
	}
	drawn.X.Label.Text = p.X
	scale(drawn, p)
	return drawn, nil
}

// scale sets the axes; room for the legend is left in all panels, so that they line up.
func scale(drawn *plot.Plot, p *panel) {
	if p.LogX {
		drawn.X.Scale, drawn.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		drawn.X.Max *= math.Pow(drawn.X.Max/drawn.X.Min, legend)
	} else {
		drawn.X.Max *= 1 + legend
	}
	if p.LogY {
		drawn.Y.Min = math.Pow(10, math.Floor(math.Log10(drawn.Y.Min)))
		drawn.Y.Max = math.Pow(10, math.Ceil(math.Log10(drawn.Y.Max)))
		drawn.Y.Scale, drawn.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	} else {
		drawn.Y.Min = 0
		drawn.Y.Max = math.Max(drawn.Y.Max*1.05, 1)
	}
}

func drawSeries(drawn *plot.Plot, s series, colour color.Color, named bool) error {
	points := make(plotter.XYs, len(s.Points))
	for i, at := range s.Points {
		points[i] = plotter.XY{X: at.X, Y: at.Y}
	}
	line, marks, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	line.Color, line.Width = colour, vg.Points(1.4)
	drawn.Add(line)
	if len(points) <= few {
		marks.Color, marks.Shape, marks.Radius = colour, draw.CircleGlyph{}, vg.Points(2.2)
		drawn.Add(marks)
	}
	if named {
		drawn.Legend.Add(s.Name, line)
	}
	return nil
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
