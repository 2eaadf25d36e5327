package disk

import (
	"errors"
	"os"
	"path/filepath"
)

// WriteDurably writes a file atomically: after a power cut it either exists with its whole content or does not exist.
// It belongs to the owner of its folder, also if root writes it.
func WriteDurably(path, content string) (err error) {
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(content)
	err = errors.Join(err, HandOver(temporary), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
