package trace_test

import (
	"context"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/trace"
)

// kept is a Recorder that remembers its spans.
type kept struct {
	sampled bool
	spans   []*recording
}

type recording struct {
	kept   *kept
	name   string
	parent trace.Parent
	set    map[string]string
	began  time.Time
	ended  time.Time
}

func (k *kept) Begin(name string, _ trace.Kind, parent trace.Parent, at time.Time) trace.Recording {
	r := &recording{kept: k, name: name, parent: parent, set: map[string]string{}, began: at}
	k.spans = append(k.spans, r)
	return r
}

func (r *recording) Sampled() bool { return r.kept.sampled }
func (r *recording) TraceParent() string {
	return "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
}
func (r *recording) Set(key, value string) { r.set[key] = value }
func (r *recording) SetInt(string, int)    {}
func (r *recording) Fail(string)           {}
func (r *recording) End(at time.Time)      { r.ended = at }

// all does everything that a caller can do.
func all(ctx context.Context) {
	outer, span := trace.Begin(ctx, "outer", trace.Server)
	inner, below := trace.Start(outer, "inner", trace.Internal)
	below.Set("key", "value")
	below.SetInt("number", 7)
	below.Fail("late")
	below.End()
	_ = trace.Outgoing(inner)
	_, _ = span.TraceID(), span.TraceParent()
	_, _ = trace.Continue(span.In(ctx), "", "continued", trace.Client)
	span.End()
}

// Where ctx carries no Recorder nothing is allocated.
func TestOffAllocatesNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	ctx = trace.In(ctx, nil)
	if allocations := testing.AllocsPerRun(100, func() { all(ctx) }); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

// A span is below the one in its context, and one that is begun with a traceparent is below that.
func TestSpansAreBelowEachOther(t *testing.T) {
	k := &kept{sampled: true}
	ctx := trace.In(t.Context(), k)
	all(ctx)
	if len(k.spans) != 3 || k.spans[0].parent != (trace.Parent{}) || k.spans[1].parent.Local != trace.Recording(k.spans[0]) {
		t.Fatalf("%+v", k.spans)
	}
	if k.spans[1].set["key"] != "value" || k.spans[1].set["error.type"] != "late" || k.spans[1].ended.IsZero() {
		t.Errorf("%+v", k.spans[1])
	}
	within, _ := trace.Begin(ctx, "outer", trace.Server)
	trace.Continue(within, "remote", "continued", trace.Producer)
	if last := k.spans[len(k.spans)-1]; last.parent != (trace.Parent{Remote: "remote"}) {
		t.Errorf("the parent of a continued span is %+v", last.parent)
	}
}

// Where a trace is not sampled nothing below its first span is begun, but its traceparent is passed on.
func TestNothingIsBelowAnUnsampledSpan(t *testing.T) {
	k := &kept{}
	ctx, span := trace.Begin(trace.In(t.Context(), k), "outer", trace.Server)
	ctx, below := trace.Start(ctx, "inner", trace.Internal)
	_, further := trace.Begin(ctx, "inner", trace.Internal)
	trace.Past(ctx, "past", trace.Internal, time.Now(), time.Now(), func(*trace.Span) { t.Error("it is recorded") })
	if below != nil || further != nil || len(k.spans) != 1 || trace.Outgoing(ctx) != span.TraceParent() || span.TraceID() != "" {
		t.Errorf("%d spans, traceparent %q", len(k.spans), trace.Outgoing(ctx))
	}
}

// Start begins no trace of its own, as Begin does.
func TestStartNeedsASpan(t *testing.T) {
	k := &kept{sampled: true}
	if _, span := trace.Start(trace.In(t.Context(), k), "inner", trace.Internal); span != nil || len(k.spans) != 0 {
		t.Errorf("%d spans were begun", len(k.spans))
	}
}

// A span of the past has the times that it is given.
func TestPastSpansHaveTheirTimes(t *testing.T) {
	k := &kept{sampled: true}
	ctx, _ := trace.Begin(trace.In(t.Context(), k), "outer", trace.Server)
	began := time.Now().Add(-time.Minute)
	trace.Past(ctx, "past", trace.Internal, began, began.Add(time.Second), func(s *trace.Span) { s.Set("key", "value") })
	if past := k.spans[1]; past.began != began || past.ended != began.Add(time.Second) || past.set["key"] != "value" {
		t.Errorf("%+v", past)
	}
}
