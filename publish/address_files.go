package publish

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// fileContents say what the files of an address must hold.
var fileContents = map[string]string{
	"BRIDGE_NATS_CREDS": "a user's credentials: a JWT and a seed, as nsc writes them",
	"BRIDGE_NATS_NKEY":  "the seed of a user's NKey, which begins with SU",
	"BRIDGE_NATS_CA":    "certificates in PEM form",
	"BRIDGE_NATS_CERT":  "a certificate in PEM form, for the private key in the file of BRIDGE_NATS_KEY",
}

// wrongFile is the error for a file that does not hold what it must.
func wrongFile(variable string) error {
	return misfit("%s: the file does not hold %s", variable, fileContents[variable])
}

// CheckFiles returns an error for each configured file that cannot be read, or does not hold what it must. It shows neither the path, which
// may be the secret itself by mistake, nor the content.
func (a Address) CheckFiles() error {
	var all []error
	for _, file := range []struct {
		variable, path string
		holds          func(content []byte) bool // what it must; nil: checked with another file
	}{
		{"BRIDGE_NATS_CREDS", a.Creds, isCredentials},
		{"BRIDGE_NATS_NKEY", a.Nkey, func([]byte) bool { _, err := nats.NkeyOptionFromSeed(a.Nkey); return err == nil }},
		{"BRIDGE_NATS_CA", a.CA, x509.NewCertPool().AppendCertsFromPEM},
		{"BRIDGE_NATS_CERT", a.Cert, a.isKeyPair},
		{"BRIDGE_NATS_KEY", a.Key, nil},
	} {
		if file.path == "" {
			continue
		}
		if content, err := os.ReadFile(file.path); err != nil {
			all = append(all, misfit("%s must be the path of a file that the bridge may read", file.variable))
		} else if file.holds != nil && !file.holds(content) {
			all = append(all, wrongFile(file.variable))
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

// isCredentials reports whether content has a seed and, in front of it, what has the three parts of a JWT.
func isCredentials(content []byte) bool {
	jwt, missing := nkeys.ParseDecoratedJWT(content)
	_, err := nkeys.ParseDecoratedUserNKey(content)
	return missing == nil && err == nil && strings.Count(jwt, ".") == 2
}

// isKeyPair reports whether a certificate belongs to the key. It does not judge them while the key cannot be read, which is another error.
func (a Address) isKeyPair(cert []byte) bool {
	key, err := os.ReadFile(a.Key)
	if err != nil {
		return true
	}
	_, err = tls.X509KeyPair(cert, key)
	return err == nil
}
