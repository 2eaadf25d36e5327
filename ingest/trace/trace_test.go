package trace_test

import (
	"context"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/trace"
	"github.com/crm-bridge/crm-bridge/test/tracetest"
)

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
	_, continued := trace.Continue(span.In(ctx), remote, "continued", trace.Client)
	continued.End()
	span.End()
}

const remote = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

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
	r := &tracetest.Recorder{}
	all(trace.In(t.Context(), r))
	outer, inner, continued := r.Named("outer"), r.Named("inner"), r.Named("continued")
	if len(outer) != 1 || len(inner) != 1 || len(continued) != 1 {
		t.Fatal(r.Names())
	}
	if outer[0].Parent != "" || inner[0].Parent != outer[0].TraceParent() || continued[0].Parent != remote {
		t.Errorf("they are below %q, %q and %q", outer[0].Parent, inner[0].Parent, continued[0].Parent)
	}
	if of := inner[0].Attributes; of["key"] != "value" || of["number"] != "7" || of["error.type"] != "late" || of["failed"] != "late" {
		t.Error(of)
	}
}

// Where a trace is not sampled nothing below its first span is begun, but its traceparent is passed on.
func TestNothingIsBelowAnUnsampledSpan(t *testing.T) {
	r := &tracetest.Recorder{Unsampled: true}
	ctx, span := trace.Begin(trace.In(t.Context(), r), "outer", trace.Server)
	ctx, below := trace.Start(ctx, "inner", trace.Internal)
	_, further := trace.Begin(ctx, "inner", trace.Internal)
	trace.Past(ctx, "past", trace.Internal, time.Now(), time.Now(), func(*trace.Span) { t.Error("it is recorded") })
	if below != nil || further != nil || r.Begun() != 1 || trace.Outgoing(ctx) != span.TraceParent() || span.TraceID() != "" {
		t.Errorf("%d spans, traceparent %q", r.Begun(), trace.Outgoing(ctx))
	}
}

// Start begins no trace of its own, as Begin does.
func TestStartNeedsASpan(t *testing.T) {
	r := &tracetest.Recorder{}
	if _, span := trace.Start(trace.In(t.Context(), r), "inner", trace.Internal); span != nil || r.Begun() != 0 {
		t.Errorf("%d spans were begun", r.Begun())
	}
}

// A span of the past has the times that it is given.
func TestPastSpansHaveTheirTimes(t *testing.T) {
	r := &tracetest.Recorder{}
	ctx, outer := trace.Begin(trace.In(t.Context(), r), "outer", trace.Server)
	began := time.Now().Add(-time.Minute)
	trace.Past(ctx, "past", trace.Internal, began, began.Add(time.Second), func(s *trace.Span) { s.Set("key", "value") })
	past := r.Named("past")[0]
	if past.Began != began || past.Ended != began.Add(time.Second) || past.Attributes["key"] != "value" || past.Parent != outer.TraceParent() {
		t.Errorf("%+v", past)
	}
}
