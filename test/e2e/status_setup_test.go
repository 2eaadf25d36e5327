package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// zohoEnv are the variables of a bridge that subscribes to deals of a Zoho CRM, with a refresh token.
func zohoEnv(t *testing.T, crm *zohotest.CRM, refresh string) []string {
	t.Helper()
	api := httptest.NewServer(crm)
	t.Cleanup(api.Close)
	port := freePort(t)
	return []string{
		"BRIDGE_LISTEN=127.0.0.1:" + port, "BRIDGE_PUBLIC_URL=http://127.0.0.1:" + port, "BRIDGE_ZOHO_EVENTS=Deals.all",
		"BRIDGE_ZOHO_CLIENT_ID=" + crm.ClientID, "BRIDGE_ZOHO_CLIENT_SECRET=" + crm.ClientSecret, "BRIDGE_ZOHO_REFRESH_TOKEN=" + refresh,
		"BRIDGE_ZOHO_ACCOUNTS_URL=" + api.URL, "BRIDGE_ZOHO_API_URL=" + api.URL,
	}
}

// writeCertificate writes a certificate for this machine that expires at a time, and its key, and returns their files.
func writeCertificate(t *testing.T, expires time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: expires.Add(-90 * 24 * time.Hour), NotAfter: expires,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	cert, key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
