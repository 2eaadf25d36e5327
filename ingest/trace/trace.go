// Package trace follows what is done for a callback as spans, each below the one that ctx carries. It knows neither OpenTelemetry nor
// what is traced: a Recorder keeps the spans. Where ctx carries none, nothing is recorded and nothing is allocated.
package trace

import (
	"context"
	"time"
)

// Recorder begins spans, and exports them when they have ended.
type Recorder interface {
	// Begin begins a span below parent. Name and kind have few values; neither shows data of a request.
	Begin(name string, kind Kind, parent Parent, at time.Time) Recording
}

// Recording is a span that a Recorder has begun.
type Recording interface {
	Sampled() bool       // reports whether it will be exported
	TraceParent() string // returns its W3C traceparent
	Set(key, value string)
	SetInt(key string, value int)
	Fail(reason string) // notes that it failed; reason has few values
	End(at time.Time)   // a span that has not ended is never exported
}

// Parent is what a span belongs to: a Recording of the same Recorder, or a traceparent of another process. Neither: it begins a trace.
type Parent struct {
	Local  Recording
	Remote string
}

// Kind says which side of a connection a span is on.
type Kind int

// The kinds of spans.
const (
	Internal Kind = iota // work of the bridge itself
	Server               // a request that the bridge answers
	Client               // a request that the bridge sends
	Producer             // messages that the bridge publishes
)

// Span is one thing that is done. nil, where nothing is recorded, is a Span whose methods do nothing.
type Span struct {
	recorder  Recorder
	recording Recording // nil: ctx carries a Recorder, and no span yet
}

type key struct{}

// In returns a context in which Begin and Continue begin spans; with a nil recorder it is ctx.
func In(ctx context.Context, recorder Recorder) context.Context {
	if recorder == nil {
		return ctx
	}
	return (&Span{recorder: recorder}).In(ctx)
}

// In returns a context in which further spans are below this one.
func (s *Span) In(ctx context.Context) context.Context {
	if s == nil {
		return ctx
	}
	return context.WithValue(ctx, key{}, s)
}

// On reports whether ctx carries a Recorder, for callers whose names of spans cost something.
func On(ctx context.Context) bool { return from(ctx) != nil }

func from(ctx context.Context) *Span {
	s, _ := ctx.Value(key{}).(*Span)
	return s
}

// Start begins a span below the one in ctx; where there is none, or its trace is not sampled, it returns nil.
func Start(ctx context.Context, name string, kind Kind) (context.Context, *Span) {
	if s := from(ctx); s == nil || s.recording == nil || !s.recording.Sampled() {
		return ctx, nil
	}
	return begin(ctx, name, kind, "", time.Now())
}

// Begin is Start that begins a trace where ctx carries a Recorder and no span.
func Begin(ctx context.Context, name string, kind Kind) (context.Context, *Span) {
	if s := from(ctx); s == nil || s.recording != nil && !s.recording.Sampled() {
		return ctx, nil
	}
	return begin(ctx, name, kind, "", time.Now())
}

// Continue begins a span below a traceparent of another process, whatever span ctx carries; empty: it begins a trace.
func Continue(ctx context.Context, traceParent, name string, kind Kind) (context.Context, *Span) {
	s := from(ctx)
	if s == nil {
		return ctx, nil
	}
	return begin((&Span{recorder: s.recorder}).In(ctx), name, kind, traceParent, time.Now())
}

// Past records a span below the one in ctx that has ended already; set may add to it, and is called only where it is recorded.
func Past(ctx context.Context, name string, kind Kind, began, ended time.Time, set func(*Span)) {
	if s := from(ctx); s == nil || s.recording == nil || !s.recording.Sampled() {
		return
	}
	_, span := begin(ctx, name, kind, "", began)
	set(span)
	span.recording.End(ended)
}

func begin(ctx context.Context, name string, kind Kind, remote string, at time.Time) (context.Context, *Span) {
	above := from(ctx)
	span := &Span{above.recorder, above.recorder.Begin(name, kind, Parent{above.recording, remote}, at)}
	return span.In(ctx), span
}

// Outgoing returns the W3C traceparent for what is sent with ctx: that of its span, sampled or not; empty: there is none.
func Outgoing(ctx context.Context) string { return from(ctx).TraceParent() }

// TraceParent returns the span's W3C traceparent; empty: nothing is recorded.
func (s *Span) TraceParent() string {
	if s == nil || s.recording == nil {
		return ""
	}
	return s.recording.TraceParent()
}

// TraceID returns the id of the span's trace if it is exported; empty: it is not.
func (s *Span) TraceID() string {
	if s == nil || !s.recording.Sampled() {
		return ""
	}
	const begins, ends = len("00-"), len("00-") + 32
	return s.recording.TraceParent()[begins:ends]
}

// Set sets an attribute, which must be free of secrets and of customers' data.
func (s *Span) Set(key, value string) {
	if s != nil && value != "" {
		s.recording.Set(key, value)
	}
}

// SetInt sets an attribute that is a number.
func (s *Span) SetInt(key string, value int) {
	if s != nil {
		s.recording.SetInt(key, value)
	}
}

// Fail notes that what is done has failed. The reason is a word, not the text of an error, which may hold anything.
func (s *Span) Fail(reason string) {
	if s != nil {
		s.recording.Set("error.type", reason)
		s.recording.Fail(reason)
	}
}

// End ends the span.
func (s *Span) End() {
	if s != nil {
		s.recording.End(time.Now())
	}
}
