package main

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"
)

//go:embed nats.yaml
var natsManifests string

// brokerNodes is the size of the NATS cluster, and the number of copies of each event.
const brokerNodes = 3

// broker is a NATS of three nodes in the namespace of a site.
type broker struct {
	site     *site
	password string
}

// addBroker starts it, and returns when its pods are ready.
func (s *site) addBroker(ctx context.Context, password string) (*broker, error) {
	manifests := strings.NewReplacer(`"IMAGE"`, fmt.Sprintf("%q", s.nats), `"PASSWORD"`, fmt.Sprintf("%q", password)).Replace(natsManifests)
	if s.storageClass != "" {
		manifests = strings.Replace(manifests, "accessModes: [ReadWriteOnce]", "accessModes: [ReadWriteOnce]\n        storageClassName: "+s.storageClass, 1)
	}
	if _, err := s.kubectl(ctx, manifests, "apply", "--filename", "-"); err != nil {
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	b := &broker{site: s, password: password}
	return b, b.settled(ctx, brokerNodes, nil)
}

// url returns its servers as the bridge's URL.
func (b *broker) url() string {
	var urls []string
	for i := range brokerNodes {
		urls = append(urls, fmt.Sprintf("nats://nats-%d.nats.%s.svc:4222", i, b.site.namespace))
	}
	return strings.Join(urls, ",")
}

// settled returns when so many of its pods are ready, none of which is among old.
func (b *broker) settled(ctx context.Context, replicas int, old []pod) error {
	return b.site.settled(ctx, "app=nats", replicas, old)
}

// scale starts or stops nodes, and returns when their pods are ready or gone. With one of three there is no quorum.
func (b *broker) scale(ctx context.Context, replicas int) error {
	if _, err := b.site.kubectl(ctx, "", "scale", "statefulset", "nats", fmt.Sprintf("--replicas=%d", replicas)); err != nil {
		return err
	}
	return b.settled(ctx, replicas, nil)
}

// withoutQuorum runs what has to happen while NATS has no quorum, and starts the lost nodes again afterwards, whatever came of it.
func (b *broker) withoutQuorum(ctx context.Context, during func() error) error {
	if err := b.scale(ctx, 1); err != nil {
		return err
	}
	failed := during()
	if err := b.scale(ctx, brokerNodes); err != nil {
		return err
	}
	return failed
}

// outage is how long NATS has no quorum: longer than clients take to notice it.
const outage = 15 * time.Second
