package publish

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/ingest/trace"
)

// Attributes of the semantic conventions of OpenTelemetry: of messages, and of CloudEvents. The subject of a CloudEvent, which is the id
// of a record, is not among them.
const (
	messagingSystem    = "messaging.system"
	messagingType      = "messaging.operation.type"
	messagingOperation = "messaging.operation.name"
	messagingSubject   = "messaging.destination.name"
	messagingID        = "messaging.message.id"
	messagingCount     = "messaging.batch.message_count"
	spanStream         = "crm_bridge.stream"
)

// beginPublish begins the span of a Publish: below that of ctx, else in the trace of a single event.
func beginPublish(ctx context.Context, stream string, events []Event) (context.Context, *trace.Span) {
	if !trace.On(ctx) {
		return ctx, nil
	}
	name := "publish " + stream
	if len(events) == 1 && trace.Outgoing(ctx) == "" { // such as one that was redriven
		return trace.Continue(ctx, events[0].Extension(traceParent), name, trace.Producer)
	}
	return trace.Begin(ctx, name, trace.Producer)
}

// endPublish ends the span of a Publish to a stream. What is about one message is said of a single one alone, and so is its subject.
func endPublish(span *trace.Span, stream, subject string, events []Event, acks []Ack, err error) {
	span.Set(messagingSystem, "nats")
	span.Set(messagingType, "send")
	span.Set(messagingOperation, "publish")
	span.Set(spanStream, stream)
	if len(events) == 1 {
		e := &events[0]
		span.Set(messagingSubject, subject)
		span.Set(messagingID, e.ID)
		span.Set("cloudevents.event_id", e.ID)
		span.Set("cloudevents.event_source", e.Source)
		span.Set("cloudevents.event_type", e.Type)
		span.Set("cloudevents.event_spec_version", "1.0")
	} else {
		span.SetInt(messagingCount, len(events))
	}
	if len(acks) == 1 {
		span.SetInt("crm_bridge.sequence", int(acks[0].Sequence))
		if acks[0].Duplicate {
			span.Set("crm_bridge.duplicate", "true")
		}
	}
	end(span, err)
}

// traceCommit records a commit for so many callers in the trace of one of them. Each of them has it, with the same times, so that every
// trace is complete in itself.
func traceCommit(ctx context.Context, began, ended time.Time, callers int, err error) {
	trace.Past(ctx, "commit", trace.Internal, began, ended, func(span *trace.Span) {
		span.SetInt("crm_bridge.commit.callbacks", callers)
		if err != nil {
			span.Fail(reason(err))
		}
	})
}

// beginForward begins the span of a message that is sent to a remote, below the span that published it, and has the reader of the message
// continue from there; nil: a message without a traceparent belongs to no trace.
func beginForward(ctx context.Context, msg *nats.Msg, stream, id string) *trace.Span {
	parent := msg.Header[traceParent]
	if len(parent) == 0 || !trace.On(ctx) {
		return nil
	}
	_, span := trace.Continue(ctx, parent[0], "forward "+stream, trace.Producer)
	span.Set(messagingSystem, "nats")
	span.Set(messagingType, "send")
	span.Set(messagingOperation, "forward")
	span.Set(messagingSubject, msg.Subject)
	span.Set(messagingID, id)
	span.Set(spanStream, stream)
	msg.Header[traceParent] = []string{span.TraceParent()}
	return span
}

// end ends a span, with what has failed.
func end(span *trace.Span, err error) {
	if err != nil {
		span.Fail(reason(err))
	}
	span.End()
}

// reason is a word for an error.
func reason(err error) string {
	switch {
	case tooLarge(err):
		return "too_large"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errSilent), errors.Is(err, ErrUnanswered):
		return "timeout"
	case errors.Is(err, errNotSynced):
		return "not_synced"
	case errors.Is(err, errNotConnected), errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrConnectionClosed):
		return "unreachable"
	}
	return "_OTHER"
}
