package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"weir/internal/disk"
)

// configsKept is how many configs that were in force are kept.
const configsKept = 10

// history keeps the configs that were in force as files, the latest with the
// highest number.
type history struct{ dir string }

// entry is one kept config.
type entry struct {
	number int
	path   string
}

// entries lists what is kept, oldest first.
func (h history) entries() ([]entry, error) {
	files, err := os.ReadDir(h.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the kept configs: %w", err)
	}
	var list []entry
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".yaml")
		number, err := strconv.Atoi(name)
		if ok && err == nil && number > 0 {
			list = append(list, entry{number, filepath.Join(h.dir, f.Name())})
		}
	}
	slices.SortFunc(list, func(a, b entry) int { return a.number - b.number })
	return list, nil
}

// keep adds a config that has come into force, unless it is the latest already,
// and drops the oldest ones.
func (h history) keep(data []byte) error {
	list, err := h.entries()
	if err != nil {
		return err
	}
	next := 1
	if n := len(list); n > 0 {
		if last, err := os.ReadFile(list[n-1].path); err == nil && string(last) == string(data) {
			return nil
		}
		next = list[n-1].number + 1
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return fmt.Errorf("keeping the config: %w", err)
	}
	path := filepath.Join(h.dir, fmt.Sprintf("%06d.yaml", next))
	if err := disk.Replace(path, data); err != nil {
		return fmt.Errorf("keeping the config: %w", err)
	}
	list = append(list, entry{next, path})
	for _, old := range list[:max(len(list)-configsKept, 0)] {
		if err := os.Remove(old.path); err != nil {
			return fmt.Errorf("dropping an old config: %w", err)
		}
	}
	return nil
}

// before returns the latest kept config that differs from data and is older than
// the one of that number; 0: than any.
func (h history) before(data []byte, number int) (found entry, content []byte, err error) {
	list, err := h.entries()
	if err != nil {
		return entry{}, nil, err
	}
	for _, e := range slices.Backward(list) {
		if number > 0 && e.number >= number {
			continue
		}
		content, err := os.ReadFile(e.path)
		if err != nil {
			return entry{}, nil, fmt.Errorf("reading a kept config: %w", err)
		}
		if string(content) != string(data) {
			return e, content, nil
		}
	}
	return entry{}, nil, errors.New("no earlier config is kept in " + h.dir)
}
