package publish_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/crm-bridge/crm-bridge/publish"
)

// A file of the remote NATS that cannot be used is reported by its variable, with what it must hold; neither its path nor its content is.
func TestUnusableFilesAreNamed(t *testing.T) {
	folder := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	const jwt = "-----BEGIN NATS USER JWT-----\ne30.e30.x\n------END NATS USER JWT------\n"
	key := "-----BEGIN USER NKEY SEED-----\n" + string(seed) + "\n------END USER NKEY SEED------\n"
	wrong := file("planted-path", "planted-content")
	for _, test := range []struct {
		name, says string
		address    publish.Address
	}{
		{"credentials", "", publish.Address{Creds: file("user.creds", jwt+"\n"+key)}},
		{"a seed", "", publish.Address{Nkey: file("user.nk", string(seed))}},
		{"credentials without a seed", "BRIDGE_NATS_CREDS: the file does not hold", publish.Address{Creds: file("jwt", jwt)}},
		{"credentials without a JWT", "BRIDGE_NATS_CREDS: the file does not hold", publish.Address{Creds: file("key", key)}},
		{"no credentials", "BRIDGE_NATS_CREDS: the file does not hold a user's credentials", publish.Address{Creds: wrong}},
		{"no seed", "BRIDGE_NATS_NKEY: the file does not hold the seed", publish.Address{Nkey: wrong}},
		{"no CA", "BRIDGE_NATS_CA: the file does not hold certificates", publish.Address{CA: wrong}},
		{"no certificate", "BRIDGE_NATS_CERT: the file does not hold a certificate", publish.Address{Cert: wrong, Key: wrong}},
		{"no key", "BRIDGE_NATS_KEY must be the path of a file", publish.Address{Cert: wrong, Key: "/nowhere/planted"}},
	} {
		err := test.address.CheckFiles()
		if (err == nil) != (test.says == "") || err != nil && (!strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "planted")) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
