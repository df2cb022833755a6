package app

import (
	"os"
	"path/filepath"
)

// openState makes the state directory. One that cannot be written is a warning:
// weir works without, and keeps nothing across restarts.
func (a *App) openState(dir string) {
	if dir == "" {
		return
	}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = tryWriting(dir)
	}
	if err != nil {
		a.noState = "state_dir cannot be used: " + err.Error()
		a.opts.Warnings = append(a.opts.Warnings, "state_dir: "+err.Error()+
			": drains, the last good discovery and earlier configs are not kept across restarts; name a directory that weir may write, or an empty one with state_dir: \"\"")
		return
	}
	a.state = dir
}

func tryWriting(dir string) error {
	f, err := os.CreateTemp(dir, ".try-*")
	if err != nil {
		return err
	}
	_ = f.Close()
	return os.Remove(f.Name())
}

// history is where configs that were in force are kept.
func (a *App) history() history { return history{filepath.Join(a.state, "configs")} }
