// Command workers handles the events of deals in Zoho CRM with as many processes as you start: the events of one deal one after the
// other, in their order, those of different deals side by side.
// It is an example to copy: replace the line in a file (book.go) with your own work.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "workers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	partitions, err := strconv.Atoi(env("PARTITIONS", "8"))
	if err != nil || partitions < 1 || partitions > 64 {
		return fmt.Errorf("PARTITIONS=%s is not a number from 1 to 64", os.Getenv("PARTITIONS"))
	}
	done, err := openBook(env("BOOK", "deals-workers.jsonl"))
	if err != nil {
		return err
	}
	defer func() { _ = done.file.Close() }()
	nc, err := connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	work, end := context.WithCancelCause(ctx)
	defer end(nil)
	var running sync.WaitGroup
	for i := range partitions {
		p := partition{number: i, of: partitions, stream: env("STREAM", "CRM"), subject: env("SUBJECT", "crm.zoho.Deals.*"), group: env("GROUP", "deals-workers"), done: done}
		for _, p := range []partition{p, p.replays()} {
			running.Go(func() {
				if err := p.keepConsuming(work, nc, js); err != nil {
					end(err) // the other partitions too
				}
			})
		}
	}
	running.Wait()
	_ = nc.FlushTimeout(2 * time.Second) // the last acknowledgements; unacknowledged events are redelivered and recognised
	if ctx.Err() != nil {
		return nil // stopped by a signal
	}
	return context.Cause(work)
}

// keepConsuming handles the events of the partition until ctx ends, or fails with what a repetition does not fix.
func (p partition) keepConsuming(ctx context.Context, nc *nats.Conn, js jetstream.JetStream) error {
	for ctx.Err() == nil {
		err, pause := p.consume(ctx, js), time.Second
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, errBook) || nc.IsClosed():
			return errors.Join(err, nc.LastError())
		case p.again && errors.Is(err, jetstream.ErrStreamNotFound):
			pause = 5 * time.Second // the first replay makes the stream
		default:
			fmt.Fprintf(os.Stderr, "partition %d waits for the bridge: %v\n", p.number, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// connect returns a connection that reconnects without limit, also before the bridge is up.
func connect() (*nats.Conn, error) {
	options := []nats.Option{nats.Name("deals-workers"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(time.Second)}
	if user := os.Getenv("NATS_USER"); user != "" {
		options = append(options, nats.UserInfo(user, os.Getenv("NATS_PASSWORD")))
	}
	if creds := os.Getenv("NATS_CREDS"); creds != "" {
		options = append(options, nats.UserCredentials(creds))
	}
	if ca := os.Getenv("NATS_CA"); ca != "" {
		options = append(options, nats.RootCAs(ca))
	}
	return nats.Connect(env("NATS_URL", "nats://127.0.0.1:4222"), options...)
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
