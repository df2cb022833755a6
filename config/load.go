package config

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// maxFile bounds a config file, in octets: room for some hundred thousand
// backends, and an end to reading what is no config at all.
const maxFile = 4 << 20

// Load reads and checks the file at path. The error is an [*Errors] that holds
// every mistake, or says why the file could not be read. Warnings are given
// for a file without mistakes only.
func Load(path string) (*Config, []Problem, error) {
	data, err := read(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading config %s: %w", path, err)
	}
	return Parse(path, data)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, bare(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, bare(err)
	}
	if len(data) > maxFile {
		return nil, errors.New("larger than 4 MiB: this is no config file")
	}
	return data, nil
}

// bare drops operation and path, which the caller names already.
func bare(err error) error {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// Parse checks a file's content; name stands for the file in problems. It is a
// pure function, and as [Load] otherwise.
func Parse(name string, data []byte) (*Config, []Problem, error) {
	d := newDecoder(name)
	if root, ok := d.open(data); ok {
		w := newDraft()
		if d.section(root, w.fields()) {
			d.check(w)
		}
		if len(d.problems) == 0 {
			d.warn(w)
			sortProblems(d.warnings)
			return w.build(), d.warnings, nil
		}
	}
	sortProblems(d.problems)
	return nil, nil, &Errors{Problems: d.problems}
}
