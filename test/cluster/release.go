package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

// way is how the bridge is run.
type way string

const (
	embedded way = "embedded" // one replica with its own NATS
	journal  way = "journal"  // replicas with a journal each, in front of a NATS of three nodes
	direct   way = "direct"   // replicas without a disk, in front of a NATS of three nodes
)

var allWays = []way{embedded, journal, direct}

// remote reports whether the bridge has a NATS of its own to send to.
func (w way) remote() bool { return w != embedded }

// name is that of the release, and of its Service and its pods.
const name = "crm-bridge"

// selector finds the pods of the bridge, and not those of the chart's hooks.
const selector = "app.kubernetes.io/instance=" + name + ",app.kubernetes.io/component=bridge"

// values are those of the chart, by their paths: "image.tag".
type values map[string]any

// release is the installed chart.
type release struct {
	site     *site
	way      way
	values   values
	replicas int
	user     string // who may read its stream
	password string
	secret   string // authenticates callbacks
}

// newRelease returns a release that is not installed yet.
func newRelease(s *site, w way, b *broker, password, secret string) *release {
	r := &release{site: s, way: w, replicas: 2, user: name, password: password, secret: secret}
	r.values = values{
		"secrets.BRIDGE_ZOHO_WEBHOOK_SECRET.value": secret,
		"podLabels":                r.site.labels(),
		"persistence.size":         "1Gi",
		"persistence.storageClass": s.storageClass,
		"resources.requests.cpu":   "50m",
	}
	maps.Copy(r.values, imageValues(s.image))
	if w == embedded {
		r.replicas, r.user = 1, "consumer"
		maps.Copy(r.values, values{"nats.embedded.enabled": true, "nats.embedded.user": r.user, "nats.embedded.password.value": password})
		return r
	}
	maps.Copy(r.values, values{
		"delivery": string(w), "replicas": r.replicas,
		"stream.replicas": brokerNodes, "stream.maxBytes": "512MiB", "quarantine.maxBytes": "64MiB", // within a node of nats.yaml
		"nats.url": b.url(), "nats.user": r.user, "nats.password.existingSecret": "nats-auth", "nats.password.key": "password",
	})
	return r
}

// labels returns the label of this run, which -drain selects by.
func (s *site) labels() map[string]string { return map[string]string{runLabel: s.runID} }

// imageValues returns the values of an image.
func imageValues(image string) values {
	repository, tag := image, ""
	if at := strings.LastIndex(image, ":"); at > strings.LastIndex(image, "/") {
		repository, tag = image[:at], image[at+1:]
	}
	return values{"image.repository": repository, "image.tag": tag}
}

// tree returns the values as the chart reads them.
func (v values) tree() map[string]any {
	root := map[string]any{}
	for path, value := range v {
		at, keys := root, strings.Split(path, ".")
		for _, key := range keys[:len(keys)-1] {
			next, ok := at[key].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[key] = next
			}
			at = next
		}
		at[keys[len(keys)-1]] = value
	}
	return root
}

// install installs or upgrades the release with its values, and returns when its pods are ready.
func (r *release) install(ctx context.Context) error {
	if err := r.apply(ctx, r.values, r.site.within); err != nil {
		return err
	}
	return r.settled(ctx, nil)
}

// upgrade changes values, and returns when the pods are ready.
func (r *release) upgrade(ctx context.Context, changed values) error {
	before, replicas := r.values, r.replicas
	r.values = maps.Clone(r.values)
	maps.Copy(r.values, changed)
	if n, ok := changed["replicas"].(int); ok {
		r.replicas = n
	}
	if err := r.install(ctx); err != nil {
		r.values, r.replicas = before, replicas
		return err
	}
	return nil
}

// refuses reports an error unless an upgrade with changed values fails, with all of the words in its error. It returns how long that took.
func (r *release) refuses(ctx context.Context, changed values, words ...string) (time.Duration, error) {
	with := maps.Clone(r.values)
	maps.Copy(with, changed)
	began := time.Now()
	err := r.apply(ctx, with, time.Minute)
	took := time.Since(began)
	if err == nil {
		return took, errors.New("the upgrade was not refused")
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			return took, fmt.Errorf("the upgrade was refused, but not because of %s: %w", word, err)
		}
	}
	return took, ctx.Err()
}

func (r *release) apply(ctx context.Context, v values, within time.Duration) error {
	text, err := json.Marshal(v.tree())
	if err != nil {
		return err
	}
	_, err = r.site.helm(ctx, string(text), "upgrade", name, r.site.chart, "--install", "--values", "-", "--wait", "--timeout", within.String())
	return err
}

// rollback goes back to the revision before the last one, and returns when the pods are ready.
func (r *release) rollback(ctx context.Context, to values) error {
	if _, err := r.site.helm(ctx, "", "rollback", name, "--wait", "--timeout", r.site.within.String()); err != nil {
		return err
	}
	r.values = to
	return r.settled(ctx, nil)
}

// uninstall removes the release, and returns when its pods are gone. Its claims stay.
func (r *release) uninstall(ctx context.Context) error {
	if _, err := r.site.helm(ctx, "", "uninstall", name, "--wait", "--timeout", r.site.within.String()); err != nil {
		return err
	}
	return r.site.settled(ctx, selector, 0, nil)
}

// settled returns when all pods of the bridge are ready, none of which is among old.
func (r *release) settled(ctx context.Context, old []pod) error {
	return r.site.settled(ctx, selector, r.replicas, old)
}

// test runs helm test: a callback through the Service, and its event back from the stream.
func (r *release) test(ctx context.Context) error {
	_, err := r.site.helm(ctx, "", "test", name, "--timeout", "2m")
	return err
}
