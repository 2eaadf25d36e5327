package bridge

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
)

// keyPair is a certificate and its key in files that may change while the bridge runs.
type keyPair struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate
	at     [2]time.Time // modification times of what is loaded
	warned time.Time    // when a failure was last logged
}

// warnEvery is how often at most a failure is logged: each handshake tries to load the files, and anyone can begin one.
const warnEvery = time.Minute

// get returns the newest certificate that could be loaded; while files are half replaced, the one before.
func (p *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := [2]time.Time{modified(p.cert), modified(p.key)}
	if p.loaded != nil && at == p.at {
		return p.loaded, nil
	}
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		if p.loaded == nil {
			return nil, err
		}
		if time.Since(p.warned) >= warnEvery {
			p.warned = time.Now()
			p.log.Warn("certificate not reloaded", "file", p.cert, "error", err)
		}
		return p.loaded, nil
	}
	p.loaded, p.at = &pair, at
	return p.loaded, nil
}

// Pinned trusts exactly the certificate in a file, whatever name it is for: a command on the same machine as the bridge
// reaches it as 127.0.0.1.
func Pinned(path string) (*tls.Config, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // #nosec G402 -- VerifyConnection checks more than the chain would
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 || !bytes.Equal(state.PeerCertificates[0].Raw, block.Bytes) {
				return fmt.Errorf("the server shows another certificate than %s", path)
			}
			return nil
		},
	}, nil
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// TLSConfig serves a certificate from files, and reads them again when they change.
func TLSConfig(cert, key string, log *slog.Logger) (*tls.Config, error) {
	pair := &keyPair{cert: cert, key: key, log: log}
	if _, err := pair.get(nil); err != nil {
		return nil, config.WithoutPath(err)
	}
	return &tls.Config{GetCertificate: pair.get, MinVersion: tls.VersionTLS12}, nil
}
