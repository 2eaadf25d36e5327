//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// broker is a NATS server with JetStream, in a process of its own. It can be restarted.
type broker struct {
	*process // nil before the first start
	stage    *stage
	name     string
	address  string
	config   string // file
	URL      string
}

// addBroker configures a broker; extra are further lines of its configuration.
func (s *stage) addBroker(ctx context.Context, name string, extra ...string) (*broker, error) {
	address, err := s.address(ctx)
	if err != nil {
		return nil, err
	}
	b := &broker{stage: s, name: name, address: address, config: filepath.Join(s.folder, name+".conf"), URL: "nats://" + address}
	lines := append([]string{
		"server_name: " + name, "listen: " + quoted(address),
		"jetstream { store_dir: " + quoted(filepath.Join(s.folder, name)) + ", max_file_store: 100GB }",
	}, extra...)
	return b, os.WriteFile(b.config, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// quoted quotes a string for a NATS configuration.
func quoted(text string) string { return fmt.Sprintf("%q", text) }

// start starts the broker and returns when its JetStream answers.
func (b *broker) start(ctx context.Context) error {
	if err := b.launch(ctx); err != nil {
		return err
	}
	return b.available(ctx)
}

// launch starts the broker and returns at once.
func (b *broker) launch(ctx context.Context) (err error) {
	b.process, err = b.stage.run(ctx, "broker "+b.name, b.stage.settings.broker, []string{"-c", b.config}, nil, nil)
	return err
}

// available returns when the broker's JetStream answers.
func (b *broker) available(ctx context.Context) error {
	err := until(ctx, 30*time.Second, "broker "+b.name+" answers", func(ctx context.Context) bool {
		return b.ask(ctx, func(ctx context.Context, js jetstream.JetStream) error {
			_, err := js.AccountInfo(ctx)
			return err
		}) == nil
	})
	if err != nil {
		return fmt.Errorf("%w%s", err, b.log.end())
	}
	return nil
}

// ask sends a request to the broker over a connection of its own. During an election it may get no answer.
func (b *broker) ask(ctx context.Context, question func(context.Context, jetstream.JetStream) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, js, err := dial(b.URL)
	if err != nil {
		return err
	}
	defer conn.Close()
	return question(ctx, js)
}
