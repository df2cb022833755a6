// Command plot draws what was measured or simulated as an SVG, one panel below the other,
// a line a policy or front end:
//
//	weir simulate slow-tenth -o json > slow-tenth.json
//	go run -C tools/plot . slow-tenth.json slow-tenth.svg
//
// IN.json is what weir simulate prints, or a chart of panels with their series, as
// the benchmark of growth writes it. It is a module apart, so that weir itself stays
// without a plotting library.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := plotFile(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func plotFile(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: plot IN.json OUT.svg; IN.json is what weir simulate -o json prints, or a chart of panels")
	}
	c, err := readChart(args[0])
	if err != nil {
		return err
	}
	canvas, err := c.draw()
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

// readChart tells the two kinds of input apart by what is in them.
func readChart(file string) (*chart, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading what is to be drawn: %w", err)
	}
	var in struct {
		chart
		simulation
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf("reading what is to be drawn: %s: %w", file, err)
	}
	c := &in.chart
	if len(in.Policies) > 0 {
		c = in.simulation.chart()
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s is neither what weir simulate -o json prints nor a chart of panels: %w", file, err)
	}
	return c, nil
}
