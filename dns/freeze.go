package dns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"weir/internal/disk"
)

// Freeze is an operator's word that a zone is not written.
type Freeze struct {
	Frozen   bool      `json:"frozen"` // false: there is no such word, and nothing else counts
	Released bool      `json:"released,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	By       string    `json:"by,omitempty"`
	Since    time.Time `json:"since,omitzero"`
}

func (f Freeze) same(g Freeze) bool {
	return f.words() == g.words() && f.Frozen == g.Frozen && f.Since.Equal(g.Since)
}

func (f Freeze) words() string {
	text := "frozen"
	if f.Released {
		text = "released"
	}
	if f.By != "" {
		text += " by " + f.By
	}
	if f.Reason != "" {
		text += ": " + f.Reason
	}
	return text
}

// Keep remembers the Freeze of one zone across restarts and, where it is shared,
// for all replicas: it is read before every write. It is called by one goroutine
// at a time.
type Keep interface {
	Load(ctx context.Context) (Freeze, error) // the zero Freeze: there is none
	Save(ctx context.Context, f Freeze) error
}

// FileKeep is a Keep in a file of its own.
type FileKeep struct{ Path string }

// Load reads the file. One that is not there is no freeze; one that is damaged is
// an error, and with that the zone stands still.
func (k FileKeep) Load(context.Context) (Freeze, error) {
	data, err := os.ReadFile(k.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Freeze{}, nil
	}
	var f Freeze
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	if err != nil {
		return Freeze{}, fmt.Errorf("reading whether the zone is frozen: %w: freeze or thaw it again, which writes %s anew", err, k.Path)
	}
	return f, nil
}

// Save replaces the file: a crash leaves the old one or the new one.
func (k FileKeep) Save(_ context.Context, f Freeze) error {
	data, err := json.Marshal(f)
	if err == nil {
		err = disk.Replace(k.Path, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("noting down whether the zone is frozen: %w", err)
	}
	return nil
}
