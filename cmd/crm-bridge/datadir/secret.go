package datadir

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/crm-bridge/crm-bridge/publish/disk"
)

// MakeSecret returns a secret of the data folder at path; where there is none, it makes one at random, to be kept permanently, and the folder
// if that is missing. It works beside a running bridge, which holds the folder's lock: a lock of its own lets one process at a time make
// a secret, so that all see the same one.
func MakeSecret(path, name string) (secret string, made bool, err error) {
	secret, err = ReadSecret(path, name)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return secret, false, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", false, err
	}
	lock, err := disk.NewLock(filepath.Join(path, "secrets.lock"))
	if err == nil {
		err = lock.Lock()
	}
	if err != nil {
		return "", false, fmt.Errorf("lock %s: %w", path, err)
	}
	defer func() { _ = lock.Close() }()
	secret, err = ReadSecret(path, name) // another process may have made it meanwhile
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return secret, false, err
	}
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return "", false, err
	}
	secret = base64.RawURLEncoding.EncodeToString(random)
	return secret, true, disk.WriteDurably(filepath.Join(path, name), secret+"\n")
}

// ReadSecret returns a secret of the data folder at path; the error is fs.ErrNotExist where no bridge has made it yet. It
// follows no link: a command of root must not send another file to whoever listens at the bridge's address.
func ReadSecret(path, name string) (string, error) {
	content, err := disk.ReadFile(filepath.Join(path, name))
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(content))
	if secret == "" {
		return "", fmt.Errorf("%s is empty: remove it, and a new one is made", filepath.Join(path, name))
	}
	return secret, nil
}
