package publish_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// administrator connects as the owner with nothing but nats.go, to make streams as somebody else would.
func administrator(t *testing.T, server *embedded.Server) jetstream.JetStream {
	t.Helper()
	_, js := publishtest.Connect(t, server, nats.UserInfo("crm-bridge", publishtest.Password), nats.CustomInboxPrefix("_crm_bridge"))
	return js
}

// A stream that the bridge made follows its variables at every start; what drops events or moves the stream needs Apply.
func TestOwnStreamFollows(t *testing.T) {
	server, conn := publishtest.Serve(t, nil)
	config := publishtest.Stream("CRM", "crm.>")
	config.MaxAge = 24 * time.Hour
	if _, _, err := conn.EnsureStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	config.MaxAge, config.MaxBytes, config.Duplicates, config.Subjects, config.Apply = 48*time.Hour, 2<<30, 3*time.Minute, []string{"sales.>"}, true
	if _, warnings, err := conn.EnsureStream(t.Context(), config); err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	stream, err := administrator(t, server).Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	got := stream.CachedInfo().Config
	if got.MaxAge != 48*time.Hour || got.MaxBytes != 2<<30 || got.Duplicates != 3*time.Minute || got.Subjects[0] != "sales.>" || got.Discard != jetstream.DiscardOld {
		t.Errorf("%+v", got)
	}
}

// A limit that is computed from the free disk is set once: it must not shrink with each start as the stream fills the disk, nor
// when a variable is not set any more.
func TestDefaultLimitIsTakenOnce(t *testing.T) {
	server, conn := publishtest.Serve(t, nil)
	limit := func() int64 {
		stream, err := administrator(t, server).Stream(t.Context(), "CRM")
		if err != nil {
			t.Fatal(err)
		}
		return stream.CachedInfo().Config.MaxBytes
	}
	for i, step := range []struct{ set, free, want int64 }{{0, 500 << 20, 500 << 20}, {0, 100 << 20, 500 << 20}, {1 << 30, 0, 1 << 30}, {0, 200 << 20, 1 << 30}, {0, 2 << 30, 1 << 30}} {
		config := publishtest.Stream("CRM", "crm.>")
		config.MaxBytes, config.DefaultMaxBytes = step.set, func() int64 { return step.free }
		if _, _, err := conn.EnsureStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
		if got := limit(); got != step.want {
			t.Errorf("step %d: %d bytes, not %d", i, got, step.want)
		}
	}
}

// A stream that somebody else made is adopted and never changed; relevant differences are warnings that name them.
func TestForeignStreamIsLeftAsItIs(t *testing.T) {
	server, conn := publishtest.Serve(t, nil)
	foreign := jetstream.StreamConfig{
		Name: "CRM", Subjects: []string{"crm.>", "other.>"}, Retention: jetstream.InterestPolicy, Storage: jetstream.MemoryStorage,
		Duplicates: time.Second, MaxMsgsPerSubject: 5, Description: "theirs",
	}
	js := administrator(t, server)
	if _, err := js.CreateStream(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	config := publishtest.Stream("CRM", "crm.>")
	config.Replicas = 3
	found, warnings, err := conn.EnsureStream(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if !found.Memory || found.Replicas != 1 {
		t.Errorf("found %+v", found)
	}
	all := strings.Join(warnings, "\n")
	for _, name := range []string{"retention", "storage", "replicas", "duplicates window", "max_msgs_per_subject"} {
		if !strings.Contains(all, name) || !strings.Contains(all, "stream CRM") {
			t.Errorf("no warning names %s:\n%s", name, all)
		}
	}
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().Config; got.Description != "theirs" || len(got.Subjects) != 2 || got.Duplicates != time.Second || got.Metadata["managed-by"] != "" {
		t.Errorf("it was changed: %+v", got)
	}
}

// A stream that does not cover our subjects, or another one on them, is an error that names it.
func TestSubjectsMustFit(t *testing.T) {
	for _, test := range []struct {
		name     string
		existing jetstream.StreamConfig
		says     string
	}{
		{"gap", jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.acme.>"}}, "stream CRM does not cover crm.>"},
		{"one level only", jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.*"}}, "stream CRM does not cover crm.>"},
		{"all of them elsewhere", jetstream.StreamConfig{Name: "SALES", Subjects: []string{"crm.>"}}, "stream SALES already holds"},
		{"some of them elsewhere", jetstream.StreamConfig{Name: "SALES", Subjects: []string{"crm.acme.Deals.*"}}, "stream SALES already holds"},
		{"by a wildcard elsewhere", jetstream.StreamConfig{Name: "SALES", Subjects: []string{"crm.*.Deals.>"}}, "stream SALES already holds"},
		{"no acknowledgements", jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}, NoAck: true}, "acknowledges nothing"},
		{"acknowledgements before the write", jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}, PersistMode: jetstream.AsyncPersistMode}, "persist_mode: async"},
		{"a bridge's own stream that was made so", jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}, PersistMode: jetstream.AsyncPersistMode, Metadata: map[string]string{"managed-by": "crm-bridge"}}, "persist_mode: async"},
		{"counters", jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}, AllowMsgCounter: true}, "allow_msg_counter"},
		{"a mirror", jetstream.StreamConfig{Name: "CRM", Mirror: &jetstream.StreamSource{Name: "OTHER"}}, "mirror of stream OTHER"},
		{"covered by more", jetstream.StreamConfig{Name: "CRM", Subjects: []string{"*.>"}, NoAck: true}, "acknowledges nothing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, conn := publishtest.Serve(t, nil)
			if _, err := administrator(t, server).CreateStream(t.Context(), test.existing); err != nil {
				t.Fatal(err)
			}
			if _, _, err := conn.EnsureStream(t.Context(), publishtest.Stream("CRM", "crm.>")); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("said %v", err)
			}
		})
	}
}

// The warnings about a foreign stream do not contradict each other: what happens to an event depends on the retention, and at a limit
// on the publishtest.Log policy.
func TestForeignStreamIsDescribedAsItIs(t *testing.T) {
	for _, test := range []struct {
		name string
		have jetstream.StreamConfig
		says []string
		not  []string
	}{
		{"interest", jetstream.StreamConfig{Retention: jetstream.InterestPolicy}, []string{"without a consumer nothing is stored"}, []string{"before every consumer"}},
		{"work queue", jetstream.StreamConfig{Retention: jetstream.WorkQueuePolicy}, []string{"when one consumer has acknowledged it"}, []string{"nothing is stored"}},
		{"drops at a number", jetstream.StreamConfig{MaxMsgs: 10}, []string{"the oldest events are dropped"}, []string{"refused", "503"}},
		{"refuses at a number", jetstream.StreamConfig{MaxMsgs: 10, Discard: jetstream.DiscardNew}, []string{"rejected at that number", "503 while it is full"}, []string{"dropped"}},
		{"refuses a subject", jetstream.StreamConfig{MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, DiscardNewPerSubject: true}, []string{"further events of a subject are rejected"}, []string{"dropped"}},
		{"as the bridge would make it", jetstream.StreamConfig{MaxAge: 48 * time.Hour, MaxBytes: 2 << 30}, nil, []string{"stream"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, conn := publishtest.Serve(t, nil)
			test.have.Name, test.have.Subjects, test.have.Duplicates = "CRM", []string{"crm.>"}, time.Minute
			if _, err := administrator(t, server).CreateStream(t.Context(), test.have); err != nil {
				t.Fatal(err)
			}
			found, warnings, err := conn.EnsureStream(t.Context(), own())
			if err != nil || found.Interest != (test.name == "interest") {
				t.Fatal(found, err)
			}
			all := strings.Join(warnings, "\n")
			for _, part := range test.says {
				if !strings.Contains(all, part) {
					t.Errorf("no warning says %s:\n%s", part, all)
				}
			}
			for _, part := range test.not {
				if strings.Contains(all, part) {
					t.Errorf("a warning says %s:\n%s", part, all)
				}
			}
		})
	}
}
