//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// newClient returns a client that reaches the public name at an address, from a local address, with what else it should be like.
func newClient(trust *tls.Config, address, local string, shape func(*http.Transport)) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}, Timeout: 30 * time.Second}
	transport := &http.Transport{TLSClientConfig: trust, MaxConnsPerHost: 1, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, address)
	}}
	shape(transport)
	return &http.Client{Transport: transport, Timeout: 90 * time.Second}
}

// styles are how senders use connections. None sends a callback again, but that a client of HTTP/2 sends on a new connection what the
// server says that it has not looked at (GOAWAY), as the protocol has it.
var styles = []func(*http.Transport){
	func(t *http.Transport) { t.ForceAttemptHTTP2 = true },
	func(*http.Transport) {}, // HTTP/1.1, kept
	func(t *http.Transport) { t.DisableKeepAlives = true },
}

// names are those of styles.
var names = []string{"HTTP/2", "a kept connection", "a new connection"}

// http2 is the first of styles.
const http2 = 0

// do sends a request and reads its answer.
func do(client *http.Client, r *http.Request) (status int, body []byte, err error) {
	response, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, errors.Join(err, response.Body.Close())
}
