package client

import (
	"errors"
	"io/fs"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
)

// ErrNotOwner says that a command needs a right on the embedded server that only the bridge's own user has.
var ErrNotOwner = errors.New("run it where BRIDGE_DATA_DIR is the folder of the running bridge")

// IsOwner returns ErrNotOwner where a command would connect to the embedded server as a reader. Another NATS says itself what a user may do.
func IsOwner(s config.Settings) error {
	if !s.Embedded() {
		return nil
	}
	_, err := datadir.ReadSecret(s.DataDir, datadir.OwnerSecret)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotOwner
	}
	return err
}
