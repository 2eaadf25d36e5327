package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Remote is where the remote NATS is.
func (n NATS) Remote() publish.Address {
	return publish.Address{URL: n.URL, Creds: n.Creds, Nkey: n.Nkey, User: n.User, Password: n.Password, CA: n.CA, Cert: n.Cert, Key: n.Key, TLSFirst: n.TLSFirst}
}

// Secrets returns what is secret in the settings of the bridge itself, the passwords and tokens in the URLs of a remote NATS included.
func (s Settings) Secrets() []string {
	all := []string{s.NATS.ListenPassword, s.NATS.Password, s.StateKey}
	for one := range strings.SplitSeq(s.NATS.URL, ",") {
		if u, err := url.Parse(strings.TrimSpace(one)); err == nil && u.User != nil {
			password, ok := u.User.Password()
			if !ok { // a token stands in the place of the user
				password = u.User.Username()
			}
			all = append(all, password)
		}
	}
	return all
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
