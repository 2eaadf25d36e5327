package main

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// keyPair is a certificate and its key in files that may change while the bridge runs.
type keyPair struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate
	at     [2]time.Time // modification times of what is loaded
}

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
		p.log.Warn("certificate not reloaded", "file", p.cert, "error", err)
		return p.loaded, nil
	}
	p.loaded, p.at = &pair, at
	return p.loaded, nil
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
