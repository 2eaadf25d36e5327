// Package tracetest keeps spans for tests.
package tracetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/trace"
)

// Recorder is a trace.Recorder that keeps the spans that have ended.
type Recorder struct {
	Unsampled bool // nothing is exported

	mu    sync.Mutex
	begun int
	ended []*Span
}

// Span is a span that has ended.
type Span struct {
	Name         string
	Kind         trace.Kind
	Parent       string // traceparent of the span above it; empty: it began a trace
	Began, Ended time.Time
	Attributes   map[string]string

	recorder *Recorder
	trace    string
	number   int
}

// Begin implements trace.Recorder.
func (r *Recorder) Begin(name string, kind trace.Kind, parent trace.Parent, at time.Time) trace.Recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun++
	s := &Span{Name: name, Kind: kind, Parent: parent.Remote, Began: at, Attributes: map[string]string{}, recorder: r, number: r.begun, trace: fmt.Sprintf("%032x", r.begun)}
	if parent.Local != nil {
		s.Parent = parent.Local.TraceParent()
	}
	if s.Parent != "" {
		s.trace = s.Parent[3:35]
	}
	return s
}

// Sampled implements trace.Recording.
func (s *Span) Sampled() bool { return !s.recorder.Unsampled }

// TraceParent implements trace.Recording.
func (s *Span) TraceParent() string {
	flags := 1
	if s.recorder.Unsampled {
		flags = 0
	}
	return fmt.Sprintf("00-%s-%016x-%02d", s.trace, s.number, flags)
}

// Set implements trace.Recording.
func (s *Span) Set(key, value string) {
	s.recorder.mu.Lock()
	defer s.recorder.mu.Unlock()
	s.Attributes[key] = value
}

// SetInt implements trace.Recording.
func (s *Span) SetInt(key string, value int) { s.Set(key, fmt.Sprint(value)) }

// Fail implements trace.Recording.
func (s *Span) Fail(reason string) { s.Set("failed", reason) }

// End implements trace.Recording.
func (s *Span) End(at time.Time) {
	s.recorder.mu.Lock()
	defer s.recorder.mu.Unlock()
	s.Ended = at
	if s.Sampled() {
		s.recorder.ended = append(s.recorder.ended, s)
	}
}

// Begun returns how many spans were begun.
func (r *Recorder) Begun() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.begun
}

// Named returns the spans of a name that have ended, in that order.
func (r *Recorder) Named(name string) (all []*Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.ended {
		if s.Name == name {
			all = append(all, s)
		}
	}
	return all
}

// Names returns the names of the spans that have ended, in order, each once.
func (r *Recorder) Names() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.ended {
		all = append(all, s.Name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
