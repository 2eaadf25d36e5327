package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Remote is where the remote NATS is.
func (n NATS) Remote() publish.Address {
	return publish.Address{URL: n.URL, Creds: n.Creds, Nkey: n.Nkey, User: n.User, Password: n.Password, CA: n.CA, Cert: n.Cert, Key: n.Key, TLSFirst: n.TLSFirst}
}

// Explain adds which credentials a remote NATS rejected.
func (n NATS) Explain(err error) error {
	if !errors.Is(err, publish.ErrUnauthorized) {
		return err
	}
	used := "no credentials; set BRIDGE_NATS_CREDS, BRIDGE_NATS_NKEY, or BRIDGE_NATS_USER and BRIDGE_NATS_PASSWORD"
	switch {
	case n.Creds != "":
		used = "the file that BRIDGE_NATS_CREDS names"
	case n.Nkey != "":
		used = "the file that BRIDGE_NATS_NKEY names"
	case strings.Contains(n.URL, "@"):
		used = "the user in BRIDGE_NATS_URL"
	case n.User != "" || n.Password != "":
		used = "BRIDGE_NATS_USER and BRIDGE_NATS_PASSWORD"
	case n.Cert != "":
		used = "the certificate that BRIDGE_NATS_CERT names"
	}
	return fmt.Errorf("%w: the server rejected %s", err, used)
}
