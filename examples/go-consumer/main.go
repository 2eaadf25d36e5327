// Command go-consumer handles every edit of a deal in Zoho CRM once: each one is a line in a file.
// It is an example to copy: replace the line (book.go) with your own work.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"
)

const (
	stream  = "CRM"
	subject = "crm.zoho.Deals.edit" // crm.<provider>.<Module>.<operation>, with * for any one of them
	durable = "deals-go"            // the name under which the server stores this service's position; unique per service
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "go-consumer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	done, err := openBook(env("BOOK", durable+".jsonl"))
	if err != nil {
		return err
	}
	defer func() { _ = done.file.Close() }()
	tracer, endTraces, err := openTracer(ctx)
	if err != nil {
		return err
	}
	defer endTraces()
	nc, err := connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		err := consume(ctx, js, done, tracer)
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, errBook) || nc.IsClosed():
			return errors.Join(err, nc.LastError())
		default:
			fmt.Fprintln(os.Stderr, "waiting for the bridge:", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
	_ = nc.FlushTimeout(2 * time.Second) // the last acknowledgements; unacknowledged events are redelivered and recognised
	return nil
}

// connect returns a connection that reconnects without limit, also before the bridge is up.
func connect() (*nats.Conn, error) {
	options := []nats.Option{nats.Name(durable), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(time.Second)}
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

// consume handles events until ctx ends or something fails.
func consume(ctx context.Context, js jetstream.JetStream, done *book, tracer trace.Tracer) error {
	deals, err := js.CreateOrUpdateConsumer(ctx, stream, jetstream.ConsumerConfig{
		Durable: durable, FilterSubject: subject, AckPolicy: jetstream.AckExplicitPolicy,
		// Events in flight to a process that died are redelivered after this time, so it must be longer than the work for all that
		// are in flight (PullMaxMessages below). They arrive after newer events: compare data.occurredAt.
		AckWait: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	// An event can have a megabyte, and a NATS server cuts a connection for which 64 MiB wait: so few at a time. The heartbeat detects a
	// silent server or a deleted consumer within ten seconds.
	messages, err := deals.Messages(jetstream.PullMaxMessages(32), jetstream.PullHeartbeat(5*time.Second))
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Drain)() // at SIGTERM: no new events; those already received are handled
	for {
		msg, err := messages.Next()
		if err != nil {
			return err
		}
		e, err := decode(msg.Headers(), msg.Data())
		var data change
		if err == nil {
			err = e.DataAs(&data)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s is skipped: %v\n", msg.Subject(), err)
			_ = msg.TermWithReason("not understood") // redelivery would not help
			continue
		}
		span := continueTrace(ctx, tracer, msg)
		news, err := done.handle(e.ID(), data)
		span.End()
		if err != nil {
			return err
		}
		// After the work, not before it. If this is lost the event is redelivered, and its id is known.
		if err := msg.Ack(); err != nil {
			return err
		}
		word := "handled"
		if !news {
			word = "known"
		}
		fmt.Printf("%-8s %s  deals %s  account %v  id %s\n", word, msg.Subject(), strings.Join(data.IDs, " "), e.Extensions()["crmaccount"], e.ID())
	}
}

// change is the part of an event's data that this service reads; the JSON Schema in dataschema describes all of it.
type change struct {
	IDs        []string            `json:"ids"`        // strings, because record ids exceed 2^53
	OccurredAt time.Time           `json:"occurredAt"` // the CRM's time
	Fields     map[string][]string `json:"fields"`     // names of changed fields, by record id
}

// decode reads an event in either content mode (BRIDGE_EVENT_MODE). Header names are in lower case.
func decode(headers nats.Header, text []byte) (event.Event, error) {
	contentType := headers.Get("content-type")
	if !strings.HasPrefix(contentType, event.ApplicationCloudEventsJSON) { // binary: the attributes are headers, the message is the data
		attributes := map[string]any{"datacontenttype": contentType, "data": json.RawMessage(text)}
		for header, values := range headers {
			if name, ok := strings.CutPrefix(header, "ce-"); ok {
				value, err := url.PathUnescape(values[0])
				if err != nil {
					return event.Event{}, err
				}
				attributes[name] = value
			}
		}
		var err error
		if text, err = json.Marshal(attributes); err != nil {
			return event.Event{}, err
		}
	}
	var e event.Event
	if err := json.Unmarshal(text, &e); err != nil {
		return e, err
	}
	return e, e.Validate()
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
