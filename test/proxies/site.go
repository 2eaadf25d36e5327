//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// The public name of the bridge, and where its peers are: a proxy connects from peer, and callbacks may come from allowed alone.
const (
	host      = "crm.example.com"
	prefix    = "/crm"
	publicURL = "https://" + host + prefix
	peer      = "127.0.0.1"
	allowed   = "127.0.0.2"
	stranger  = "127.0.0.3"
)

// secrets are what callbacks are authenticated with; each contains planted, so that a leak is found.
var secrets = map[string]string{
	"BRIDGE_ZOHO_TOKENS":              "*:planted-token-of-channels",
	"BRIDGE_ZOHO_WEBHOOK_SECRET":      "planted-webhook-secret",
	"BRIDGE_BITRIX24_TOKENS":          "*:planted-application-token",
	"BRIDGE_BITRIX24_WORKFLOW_SECRET": "planted-workflow-secret",
	"BRIDGE_HUBSPOT_CLIENT_SECRET":    "planted-client-secret",
	"BRIDGE_PIPEDRIVE_USER":           "planted-user",
	"BRIDGE_PIPEDRIVE_PASSWORD":       "planted-password",
}

const planted = "planted-"

// site is a bridge with its folder, behind a socket that outlives it.
type site struct {
	settings
	socket  *net.TCPListener // nil: the bridge listens by itself
	address string           // of callbacks
	cert    string           // of host, and its key beside it
	roots   *x509.CertPool
	bridge  *exec.Cmd
	exited  chan error
	serving line
	gap     time.Duration // from the end of one bridge until the next one served
}

// line is what the bridge logs when it serves.
type line struct{ Msg, Version, NATS, Admin string }

func openSite(s settings) (*site, error) {
	at := &site{settings: s, cert: filepath.Join(s.folder, "crm.example.com.pem")}
	listener, err := net.Listen("tcp", peer+":0") //nolint:noctx // at once
	if err != nil {
		return nil, err
	}
	at.address = listener.Addr().String()
	if s.left("socket") {
		_ = listener.Close()
	} else {
		at.socket = listener.(*net.TCPListener)
	}
	return at, at.certify()
}

// certify writes a certificate for host, and its key.
func (at *site) certify() error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	shown := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	at.roots = x509.NewCertPool()
	at.roots.AppendCertsFromPEM(shown)
	return errors.Join(
		os.WriteFile(at.cert, shown, 0o644), //nolint:gosec // the proxy's own user reads it
		os.WriteFile(filepath.Join(at.folder, "crm.example.com.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o644), //nolint:gosec // of this test alone
	)
}

// environment is that of every bridge of the site.
func (at *site) environment() []string {
	delay := "2s"
	if at.left("delay") {
		delay = "0s"
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "BRIDGE_DATA_DIR=" + filepath.Join(at.folder, "data"), "BRIDGE_LISTEN=" + at.address,
		"BRIDGE_ADMIN_LISTEN=" + peer + ":0", "BRIDGE_NATS_LISTEN=" + peer + ":0", "BRIDGE_LOG_FORMAT=json",
		"BRIDGE_PUBLIC_URL=" + publicURL, "BRIDGE_TRUSTED_PROXIES=" + peer, "BRIDGE_ALLOW=" + allowed, "BRIDGE_DRAIN_DELAY=" + delay,
	}
	for name, value := range secrets {
		env = append(env, name+"="+value)
	}
	return env
}

// startBridge starts a program on the folder and the socket of the site, as systemd does, and returns when it serves.
func (at *site) startBridge(ctx context.Context, program string) error {
	at.bridge = exec.CommandContext(ctx, program)
	at.bridge.Env = at.environment()
	if at.socket != nil {
		file, err := at.socket.File()
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		at.bridge = exec.CommandContext(ctx, "/bin/sh", "-c", `LISTEN_PID=$$ exec "$0"`, program)
		at.bridge.Env = append(at.environment(), "LISTEN_FDS=1", "LISTEN_FDNAMES=callbacks")
		at.bridge.ExtraFiles = []*os.File{file}
	}
	log, err := at.bridge.StderrPipe()
	if err != nil {
		return err
	}
	if err := at.bridge.Start(); err != nil {
		return err
	}
	serves, exited, started := make(chan line, 1), make(chan error, 1), at.bridge
	at.exited = exited
	go func() {
		var last string
		for lines := bufio.NewScanner(log); lines.Scan(); {
			var one line
			if last = lines.Text(); json.Unmarshal(lines.Bytes(), &one) == nil && one.Msg == "serving" {
				serves <- one
			}
		}
		if err := started.Wait(); err != nil {
			exited <- fmt.Errorf("%w: its log ends with %s", err, last)
		}
		close(exited)
	}()
	select {
	case at.serving = <-serves:
		return nil
	case err := <-exited:
		return fmt.Errorf("the bridge ended at its start: %w", err)
	case <-time.After(time.Minute):
		return errors.New("the bridge does not serve within a minute")
	}
}

// replaceBridge ends the bridge, and starts the newer build on its folder.
func (at *site) replaceBridge(ctx context.Context) error {
	end := syscall.SIGTERM
	if at.kill {
		end = syscall.SIGKILL
	}
	if err := at.bridge.Process.Signal(end); err != nil {
		return err
	}
	if err := <-at.exited; err != nil && !at.kill {
		return fmt.Errorf("the old bridge: %w", err)
	}
	ended, before := time.Now(), at.serving.Version
	if err := at.startBridge(ctx, at.new); err != nil {
		return err
	}
	if at.gap = time.Since(ended).Round(10 * time.Millisecond); at.serving.Version == before {
		return errors.New("the new bridge has the old version")
	}
	return nil
}

func (at *site) close() error {
	if at.bridge != nil && at.bridge.Process != nil {
		_ = at.bridge.Process.Kill()
		for range at.exited { // until it is closed
		}
	}
	if at.socket == nil {
		return nil
	}
	return at.socket.Close()
}

// trust is the TLS configuration of who knows the site's certificate.
func (at *site) trust() *tls.Config {
	return &tls.Config{RootCAs: at.roots, ServerName: host, MinVersion: tls.VersionTLS12}
}
