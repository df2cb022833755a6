// Package disk writes small files so that they survive a crash. It owns that one
// act; what is in the files, and what becomes of a broken one, is for those who
// keep them.
package disk

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace puts a file with this content, for its owner alone, in the place of
// another one, or of none. A crash or a kill at any moment leaves the old file or
// the new one, whole: the content is on disk before the name is, and the name
// before Replace returns. After an error the old file stands, unless the error came
// from the very last step, in which case either may after a crash.
func Replace(path string, data []byte) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return syncDir(dir)
}

// syncDir makes a new name in a directory last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
