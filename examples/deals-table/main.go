// Command deals-table keeps a table of Zoho CRM's deals, in a file and on a page, from the stream of records: first each deal as it is,
// then every change.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
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
		fmt.Fprintln(os.Stderr, "deals-table:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	deals, err := openTable(env("TABLE_FILE", "deals.db"))
	if err != nil {
		return err
	}
	defer func() { _ = deals.db.Close() }()
	nc, err := connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	page := &http.Server{Addr: env("TABLE_LISTEN", "127.0.0.1:8090"), Handler: deals.pages(), ReadHeaderTimeout: 5 * time.Second}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", page.Addr)
	if err != nil {
		return err
	}
	fmt.Printf("the table is at http://%s\n", listener.Addr())

	read := source{stream: env("STREAM", "CRM_RECORDS"), subject: env("SUBJECT", "crm-records.zoho.*.Deals.*")}
	work, end := context.WithCancelCause(ctx)
	var running sync.WaitGroup
	running.Go(func() { end(read.keepFollowing(work, nc, js, deals)) })
	running.Go(func() { end(page.Serve(listener)) })
	<-work.Done()
	_ = page.Close()
	running.Wait()
	if ctx.Err() != nil {
		return nil // stopped by a signal
	}
	return context.Cause(work)
}

// connect returns a connection that reconnects without limit, also before the bridge is up.
func connect() (*nats.Conn, error) {
	options := []nats.Option{nats.Name("deals-table"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(time.Second)}
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
