package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxFile bounds a config file, in octets: room for some hundred thousand
// backends, and an end to reading what is no config at all.
const maxFile = 4 << 20

// Load reads and checks the file at path. The error is an [*Errors] that holds
// every mistake, or says why the file could not be read. Warnings are given
// for a file without mistakes only.
func Load(path string) (*Config, []Problem, error) {
	data, err := ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading config %s: %w", path, err)
	}
	cfg, warnings, err := parse(path, full, data)
	if cfg != nil {
		cfg.Source = data
	}
	return cfg, warnings, err
}

// ReadFile returns the content of a config file, unless that is too large for one.
func ReadFile(path string) ([]byte, error) {
	data, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("reading config %s: %w", path, err)
	}
	return data, nil
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

// Parse checks a file's content, as [Load] does otherwise; name stands for the
// file in problems. Relative paths of other files, such as those of tokens, start
// from its folder.
func Parse(name string, data []byte) (*Config, []Problem, error) {
	return parse(name, name, data)
}

func parse(name, path string, data []byte) (*Config, []Problem, error) {
	d := newDecoder(name)
	d.folder = filepath.Dir(path)
	if root, ok := d.open(data); ok {
		w := newDraft()
		w.Path = path
		if d.section(root, w.fields()) {
			d.check(w)
		}
		if len(d.problems) == 0 {
			d.warn(w)
			sortProblems(d.file, d.warnings)
			return w.build(), d.warnings, nil
		}
	}
	sortProblems(d.file, d.problems)
	return nil, nil, &Errors{Problems: d.problems}
}
