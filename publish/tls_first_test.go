package publish_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// certified makes a certificate for this machine, and returns it with the file of its authority.
func certified(t *testing.T) (config *tls.Config, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, ca
}

// overTLS starts a NATS server with a certificate, which expects the handshake first or speaks first.
func overTLS(t *testing.T, first bool) (url, ca string) {
	t.Helper()
	config, ca := certified(t)
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true, TLSConfig: config, TLS: true, TLSTimeout: 1, TLSHandshakeFirst: first,
	})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s.ClientURL(), ca
}

// A server that expects TLS first is reached with TLSFirst, and one that sends INFO first without; on a mismatch the error names the
// variable.
func TestTLSFirst(t *testing.T) {
	for _, test := range []struct {
		name         string
		server, ours bool
		says         string
	}{
		{"both", true, true, ""},
		{"neither", false, false, ""},
		{"the server alone", true, false, "set BRIDGE_NATS_TLS_FIRST=true"},
		{"the bridge alone", false, true, "BRIDGE_NATS_TLS_FIRST is set, but"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			url, ca := overTLS(t, test.server)
			for scheme, ca := range map[string]string{"tls": ca, "nats": ca} {
				address := publish.Address{URL: strings.Replace(url, "nats://", scheme+"://", 1), CA: ca, TLSFirst: test.ours}
				conn, err := address.Reach(t.Context(), publishtest.Log)
				if err == nil {
					conn.Close()
				}
				if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
					t.Errorf("%s: %v", scheme, err)
				}
			}
		})
	}
}
