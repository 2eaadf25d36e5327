//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// bridge is a running crm-bridge.
type bridge struct {
	*process
	Callbacks string // URLs
	Admin     string
	NATS      string
}

// startWithin is how long the bridge may take to serve, after whatever happened to it.
const startWithin = 30 * time.Second

// startBridge runs the program and returns when it serves. Addresses that env does not set are free ones.
func (s *stage) startBridge(ctx context.Context, env ...string) (*bridge, error) {
	serving := make(chan bridge, 1)
	heard := func(line []byte) {
		var said struct {
			Msg string
			bridge
		}
		if json.Unmarshal(line, &said) == nil && said.Msg == "serving" {
			select {
			case serving <- said.bridge:
			default:
			}
		}
	}
	env = append([]string{
		"BRIDGE_ADMIN_LISTEN=127.0.0.1:0", "BRIDGE_NATS_LISTEN=127.0.0.1:0", variable + "=" + secret, "HOME=" + s.folder,
	}, env...)
	p, err := s.run(ctx, "the bridge", s.settings.bridge, nil, env, heard)
	if err != nil {
		return nil, err
	}
	select {
	case b := <-serving:
		b.process = p
		return &b, nil
	case <-p.exited:
		return nil, fmt.Errorf("the bridge ends at its start with code %d%s", exitCode(p.err), p.log.end())
	case <-time.After(startWithin):
		return nil, fmt.Errorf("the bridge does not serve within %s%s", startWithin, p.log.end())
	}
}

// ready reports whether the bridge says that it is.
func (b *bridge) ready(ctx context.Context) bool {
	response, err := get(ctx, b.Admin+"/readyz")
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// metric returns the value of a metric without labels; ok is false where there is none.
func (b *bridge) metric(ctx context.Context, name string) (value float64, ok bool) {
	response, err := get(ctx, b.Admin+"/metrics")
	if err != nil {
		return 0, false
	}
	defer func() { _ = response.Body.Close() }()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), name+" "); found {
			value, err = strconv.ParseFloat(text, 64)
			return value, err == nil
		}
	}
	return 0, false
}

func get(ctx context.Context, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(request)
}
