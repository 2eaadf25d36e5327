//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// check sends what must come through the proxy, and what must not.
func check(ctx context.Context, at *site, front *proxy, samplers []ingest.Sampler) error {
	caller, other := newClient(at.trust(), front.address, allowed, styles[http2]), newClient(at.trust(), front.address, stranger, styles[http2])
	defer caller.CloseIdleConnections()
	defer other.CloseIdleConnections()
	var failed []error
	for i, sampler := range samplers {
		label := sampler.(ingest.Source).Label()
		r, err := request(ctx, sampler, -1-i)
		if err != nil {
			return fmt.Errorf("%s: %w", label, err)
		}
		response, err := caller.Do(r)
		if err != nil {
			return fmt.Errorf("%s: %w", label, err)
		}
		if _ = response.Body.Close(); response.StatusCode != http.StatusOK || response.ProtoMajor != 2 {
			failed = append(failed, fmt.Errorf("%s: answered %s over %s", label, response.Status, response.Proto))
		}
		if r, err = request(ctx, sampler, -1-i); err != nil {
			return err
		}
		r.Header.Set("X-Forwarded-For", allowed)
		failed = append(failed, expect(other, r, http.StatusUnauthorized, "a network that is not in BRIDGE_ALLOW, with a forged X-Forwarded-For"))
	}
	for what, one := range map[string]struct {
		method, path string
		bytes, want  int
	}{
		"a body above BRIDGE_MAX_BODY":     {http.MethodPost, firstPath(samplers), 1<<20 + 1, http.StatusRequestEntityTooLarge},
		"a body above the proxy's limit":   {http.MethodPost, firstPath(samplers), 3 << 20, http.StatusRequestEntityTooLarge},
		"a path of the admin address":      {http.MethodGet, prefix + "/metrics", 0, http.StatusNotFound},
		"the console":                      {http.MethodGet, prefix + "/console/", 0, http.StatusNotFound},
		"a path beside that of the bridge": {http.MethodGet, "/metrics", 0, http.StatusNotFound},
		"a secret that is wrong":           {http.MethodPost, firstPath(samplers) + "?secret=" + planted + "wrong&proof=" + planted, 2, http.StatusUnauthorized},
	} {
		r, err := http.NewRequestWithContext(ctx, one.method, "https://"+host+one.path, bytes.NewReader(make([]byte, one.bytes)))
		if err != nil {
			return err
		}
		failed = append(failed, expect(caller, r, one.want, what))
	}
	return errors.Join(failed...)
}

// firstPath is where the callbacks of the first source go.
func firstPath(samplers []ingest.Sampler) string {
	return prefix + samplers[0].(ingest.Source).Routes()[0].Path
}

// expect sends a request, and returns an error unless it is answered with a status.
func expect(client *http.Client, r *http.Request, want int, what string) error {
	status, body, err := do(client, r)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if status != want {
		return fmt.Errorf("%s: answered %d %.200s, not %d", what, status, body, want)
	}
	return nil
}
