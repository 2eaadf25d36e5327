package e2e

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// withOptions starts a remote NATS with options of its own; a free port and a store are given to it.
func withOptions(t *testing.T, options *server.Options) *server.Server {
	t.Helper()
	options.Host, options.Port, options.JetStream, options.StoreDir, options.NoSigs, options.NoLog = "127.0.0.1", -1, true, t.TempDir(), true, true
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the remote does not start")
	}
	t.Cleanup(s.Shutdown)
	return s
}

// refuses runs the bridge with an environment that it does not start with, and returns what it says.
func refuses(t *testing.T, dir string, env ...string) string {
	t.Helper()
	cmd := exec.Command(program)
	cmd.Env, cmd.Dir = append(environment(dir), env...), t.TempDir()
	stop := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Fatalf("it ended with %d: %s", code, out)
	}
	return string(out)
}

// limit is the configured size of a stream.
func limit(t *testing.T, url, stream string) jetstream.StreamConfig {
	t.Helper()
	s, err := service(t, url).Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().Config
}

// A NATS with the 10 GiB of its Helm chart has room for all streams of a bridge with nothing configured.
func TestDefaultsFitADefaultNATS(t *testing.T) {
	for _, delivery := range []string{"direct", "journal"} {
		t.Run(delivery, func(t *testing.T) {
			remote := withOptions(t, &server.Options{JetStreamMaxStore: 10 << 30})
			b := start(t, t.TempDir(), documentedToken, "BRIDGE_NATS_URL="+remote.ClientURL(), "BRIDGE_DELIVERY="+delivery)
			if a := post(t, b.Callbacks+path, distinct(1)); a.Status != 200 {
				t.Fatalf("answered %d %s", a.Status, a.Text)
			}
			waitFor(t, func() bool { return len(ids(t, remote.ClientURL())) == 1 })
			if a := post(t, b.Callbacks+path, strings.Replace(documented, `"ids"`, `"idz"`, 1)); a.Status != 400 {
				t.Fatalf("answered %d %s", a.Status, a.Text)
			}
			if got := limit(t, remote.ClientURL(), "CRM_QUARANTINE").MaxBytes; got != 64<<20 {
				t.Errorf("quarantine reserves %d bytes", got)
			}
			if !strings.Contains(b.Log(), "set BRIDGE_STREAM_MAX_BYTES to what it may use") {
				t.Errorf("nothing says that the default does not fit:\n%s", b.Log())
			}
		})
	}
}

// A remote without room for a stream is an error that names the variable, and what to do.
func TestNoRoomIsSaid(t *testing.T) {
	remote := withOptions(t, &server.Options{JetStreamMaxStore: 100 << 20})
	out := refuses(t, t.TempDir(), documentedToken, "BRIDGE_NATS_URL="+remote.ClientURL(), "BRIDGE_DELIVERY=direct", "BRIDGE_STREAM_MAX_BYTES=1GiB")
	for _, part := range []string{"stream CRM reserves 1GiB", "BRIDGE_STREAM_MAX_BYTES", "max_file_store"} {
		if !strings.Contains(out, part) {
			t.Errorf("%s does not say %s", out, part)
		}
	}
	b := start(t, t.TempDir(), documentedToken, "BRIDGE_NATS_URL="+remote.ClientURL(), "BRIDGE_DELIVERY=direct", "BRIDGE_STREAM_MAX_BYTES=20MiB", "BRIDGE_QUARANTINE_MAX_BYTES=64MiB")
	if a := post(t, b.Callbacks+path, documented); a.Status != 200 {
		t.Errorf("answered %d %s", a.Status, a.Text)
	}
}

// A start that would drop history is refused with the old and the new value; with BRIDGE_STREAM_APPLY it says what it
// changes, and growing needs nothing.
func TestHistoryIsNotShrunkUnprompted(t *testing.T) {
	dir := t.TempDir()
	for _, step := range []struct {
		env     []string
		refused []string // what is said; none: it starts
		logs    []string
	}{
		{[]string{"BRIDGE_STREAM_MAX_AGE=48h", "BRIDGE_STREAM_MAX_BYTES=64MiB", "BRIDGE_QUARANTINE_MAX_BYTES=8MiB"}, nil, nil},
		{[]string{"BRIDGE_STREAM_MAX_AGE=24h", "BRIDGE_STREAM_MAX_BYTES=64MiB"}, []string{"stream CRM ", "max_age from 48h to 24h", "BRIDGE_STREAM_MAX_AGE", "BRIDGE_STREAM_APPLY=true"}, nil},
		{[]string{"BRIDGE_STREAM_MAX_AGE=48h", "BRIDGE_QUARANTINE_MAX_BYTES=4MiB"}, []string{"CRM_QUARANTINE", "8MiB to 4MiB", "BRIDGE_QUARANTINE_MAX_BYTES"}, nil},
		{[]string{"BRIDGE_STREAM_MAX_AGE=48h", "BRIDGE_SUBJECT_PREFIX=sales"}, []string{"stream CRM has the subjects crm.>", "asks for sales.>", "BRIDGE_SUBJECT_PREFIX"}, nil},
		{[]string{"BRIDGE_STREAM_MAX_AGE=24h", "BRIDGE_STREAM_APPLY=true"}, nil, []string{`"setting":"max_age","old":"48h","new":"24h"`, "unset it afterwards"}},
		{[]string{"BRIDGE_STREAM_MAX_AGE=72h", "BRIDGE_STREAM_MAX_BYTES=128MiB"}, nil, []string{`"old":"24h","new":"72h"`, `"old":"64MiB","new":"128MiB"`}},
	} {
		if len(step.refused) > 0 {
			out := refuses(t, dir, append(step.env, documentedToken)...)
			for _, part := range step.refused {
				if !strings.Contains(out, part) {
					t.Errorf("%q: %s does not say %s", step.env, out, part)
				}
			}
			continue
		}
		b := start(t, dir, append(step.env, documentedToken)...)
		for _, part := range step.logs {
			if !strings.Contains(b.Log(), part) {
				t.Errorf("%q: the log does not say %s:\n%s", step.env, part, b.Log())
			}
		}
		if err := b.stop(t, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
}

// Two bridges with different prefixes do not take turns with one stream: the second is refused, and where it is allowed to
// move the stream, the first does not move it back when it reconnects.
func TestPrefixesDoNotTakeTurns(t *testing.T) {
	store := t.TempDir()
	remote := openRemote(t, store, -1)
	to := []string{documentedToken, "BRIDGE_NATS_URL=" + remote.ClientURL(), "BRIDGE_STREAM_APPLY=true"}
	first := start(t, t.TempDir(), to...)
	waitFor(t, func() bool {
		code, text := get(t, first.Admin+"/readyz")
		return code == 200 && strings.Contains(text, `"forwarding"`)
	})
	out := refuses(t, t.TempDir(), documentedToken, "BRIDGE_NATS_URL="+remote.ClientURL(), "BRIDGE_SUBJECT_PREFIX=sales")
	if !strings.Contains(out, "BRIDGE_SUBJECT_PREFIX asks for sales") || !strings.Contains(out, "another bridge may use this stream") {
		t.Errorf("it says %s", out)
	}
	start(t, t.TempDir(), append(to, "BRIDGE_SUBJECT_PREFIX=sales")...)
	if got := limit(t, remote.ClientURL(), "CRM").Subjects[0]; got != "sales.>" {
		t.Fatalf("the stream has the subject %s", got)
	}
	remote.Shutdown()
	remote.WaitForShutdown()
	remote = restart(t, remote.ClientURL(), store)
	waitFor(t, func() bool { return strings.Contains(first.Log(), "another bridge may use this stream") })
	if got := limit(t, remote.ClientURL(), "CRM").Subjects[0]; got != "sales.>" {
		t.Errorf("the first moved the stream back to %s", got)
	}
}
