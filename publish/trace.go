package publish

import (
	"context"
	"errors"

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

// begin begins the span of a Publish: below that of ctx, else in the trace of a single event.
func (p *Publisher) begin(ctx context.Context, events []Event) (context.Context, *trace.Span) {
	if !trace.On(ctx) {
		return ctx, nil
	}
	name := "publish " + p.Stream
	if len(events) == 1 && trace.Outgoing(ctx) == "" { // such as one that was redriven
		return trace.Continue(ctx, events[0].Extension(traceParent), name, trace.Producer)
	}
	return trace.Begin(ctx, name, trace.Producer)
}

// endSpan ends the span of a Publish. What is about one message is said of a single one alone.
func (p *Publisher) endSpan(span *trace.Span, events []Event, acks []Ack, err error) {
	if span == nil {
		return
	}
	span.Set(messagingSystem, "nats")
	span.Set(messagingType, "send")
	span.Set(messagingOperation, "publish")
	span.Set(spanStream, p.taker())
	if len(events) == 1 {
		e := &events[0]
		span.Set(messagingSubject, p.Subject(*e))
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

// trace records the commit of a group in the trace of one of its callers. Each of them has it, with the same times, so that every trace is
// complete in itself.
func (g *group) trace(ctx context.Context, err error) {
	if g == nil || g.began.IsZero() {
		return
	}
	trace.Past(ctx, "commit", trace.Internal, g.began, g.ended, func(span *trace.Span) {
		span.SetInt("crm_bridge.commit.callbacks", len(g.calls))
		if err != nil {
			span.Fail(reason(err))
		}
	})
}

// trace begins the span of a message that is sent to a remote, below the span that published it, and has the reader of the message
// continue from there. A message without a traceparent belongs to no trace.
func (p *passing) trace(ctx context.Context) {
	parent := p.msg.Header[traceParent]
	if len(parent) == 0 || !trace.On(ctx) {
		return
	}
	_, span := trace.Continue(ctx, parent[0], "forward "+p.stream, trace.Producer)
	span.Set(messagingSystem, "nats")
	span.Set(messagingType, "send")
	span.Set(messagingOperation, "forward")
	span.Set(messagingSubject, p.msg.Subject)
	span.Set(messagingID, p.id)
	span.Set(spanStream, p.stream)
	p.msg.Header[traceParent] = []string{span.TraceParent()}
	p.span = span
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
