package bridge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// writeKeyPair makes a certificate for a name and puts it and its key where the bridge looks.
func writeKeyPair(t *testing.T, cert, key, name string, at time.Time) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(at.UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: at.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

// While a certificate cannot be loaded, handshakes, which anyone can begin, log that once a minute.
func TestBrokenCertificateIsLoggedOnceAMinute(t *testing.T) {
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	writeKeyPair(t, cert, key, "first", time.Now())
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		config, err := TLSConfig(cert, key, slog.New(slog.NewTextHandler(&log, nil)))
		if err == nil {
			err = os.Remove(key)
		}
		if err != nil {
			t.Fatal(err)
		}
		for range 120 {
			if pair, err := config.GetCertificate(nil); pair == nil || err != nil {
				t.Fatalf("%v, %v", pair, err)
			}
			time.Sleep(time.Second)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 2 {
			t.Errorf("%d lines: %s", lines, log.String())
		}
	})
}

// A new certificate is served as soon as its files are there; half a change, or a broken one, leaves the old in place.
// A command on the same machine trusts exactly the certificate in the file.
func TestCertificateIsReloaded(t *testing.T) {
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	writeKeyPair(t, cert, key, "first", time.Now().Add(-time.Hour))
	listener, err := listenForCallbacks(t.Context(), config.Settings{Listen: "127.0.0.1:0", ListenCert: cert, ListenKey: key}, &receive.Connections{Max: 10, HeaderBytes: 1 << 20, Metrics: receive.NewMetrics(prometheus.NewRegistry())}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()
	served := func() string {
		conn, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := served(); got != "first" {
		t.Fatalf("serves %s", got)
	}
	trusting, err := Pinned(cert)
	if err != nil {
		t.Fatal(err)
	}
	dial := func() error {
		conn, err := tls.Dial("tcp", listener.Addr().String(), trusting)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	if err := dial(); err != nil {
		t.Errorf("does not trust the file's certificate: %v", err)
	}
	if err := os.WriteFile(cert, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := served(); got != "first" {
		t.Errorf("with a broken file it serves %s", got)
	}
	writeKeyPair(t, cert, key, "second", time.Now())
	if got := served(); got != "second" {
		t.Errorf("serves %s", got)
	}
	if err := dial(); err == nil {
		t.Error("trusts another certificate than it was given")
	}
}

// A certificate that has expired is a problem, with its date; one that is valid now is none.
func TestCheckOfCertificates(t *testing.T) {
	folder, now := t.TempDir(), time.Now()
	cert, key := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	writeKeyPair(t, cert, key, "first", now)
	if err := checkCertificate("BRIDGE_LISTEN", cert, key, now); err != nil {
		t.Error(err)
	}
	if err := checkCertificate("BRIDGE_LISTEN", cert, key, now.Add(2*time.Hour)); err == nil || !strings.Contains(err.Error(), "BRIDGE_LISTEN_CERT expired on ") {
		t.Error(err)
	}
}
