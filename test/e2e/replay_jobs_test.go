package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// replay jobs lists what replay has left, and replay delete removes a job with its events, also one that is at work. The next job of that
// name publishes everything again.
func TestReplayJobs(t *testing.T) {
	t.Parallel()
	_, js, env := filled(t, t.TempDir(), 300)
	list := func() map[string]string {
		t.Helper()
		r := replay(t, env, "jobs")
		if r.code != 0 {
			t.Fatalf("%+v", r)
		}
		jobs := map[string]string{}
		for line := range strings.Lines(r.out) {
			var one struct{ Job, State, To string }
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			jobs[one.Job] = one.State + " " + one.To
		}
		return jobs
	}
	events := func(job string) (n uint64) {
		t.Helper()
		stream, err := js.Stream(t.Context(), "CRM_REPLAY")
		if err != nil {
			t.Fatal(err)
		}
		info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter("crm-replay."+job+".>"))
		if err != nil {
			t.Fatal(err)
		}
		for _, messages := range info.State.Subjects {
			n += messages
		}
		return n
	}
	if jobs := list(); len(jobs) != 0 {
		t.Errorf("at first: %v", jobs)
	}
	if r := replay(t, env, "--to", "subject", "--job", "first"); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	slow := replayCommand(env, "--to", "subject", "--job", "slow", "--rate", "20")
	if err := slow.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return list()["slow"] == "running subject" && events("slow") > 0 })
	if jobs := list(); jobs["first"] != "done subject" {
		t.Errorf("%v", jobs)
	}
	if r := runs(t, env, "__complete", "replay", "delete", ""); !strings.Contains(r.out, "first\n") || !strings.Contains(r.out, "slow\n") {
		t.Errorf("completed with %q", r.out)
	}
	if r := replay(t, env, "delete", "slow"); r.code != 0 || !strings.Contains(r.out, `"job":"slow"`) {
		t.Errorf("%+v", r)
	}
	ended := make(chan error, 1)
	go func() { ended <- slow.Wait() }()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the run ends as if it were done")
		}
	case <-time.After(20 * time.Second):
		_ = slow.Process.Kill()
		t.Error("the run does not end")
	}
	if code := slow.ProcessState.ExitCode(); code != 1 || events("slow") != 0 || events("first") != 300 {
		t.Errorf("exit %d, and %d and %d events are left", code, events("slow"), events("first"))
	}
	if jobs := list(); len(jobs) != 1 {
		t.Errorf("%v", jobs)
	}
	if r := replay(t, env, "delete", "slow", "first"); r.code != 1 || !strings.Contains(r.errs, "there is no job slow") {
		t.Errorf("%+v", r)
	}
	for _, wrong := range [][]string{{"delete"}, {"delete", "no name"}, {"jobs", "more"}} {
		if r := replay(t, env, wrong...); r.code != 2 {
			t.Errorf("%v: %+v", wrong, r)
		}
	}
}

// Shells complete what only a running bridge knows, and nothing where none answers.
func TestCompletion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, eraseKey)
	webhook(t, b, `{"id":"1"}`, 200)
	webhook(t, b, `{bad`, 400)
	env := append(environment(dir), eraseKey, "BRIDGE_NATS_LISTEN="+strings.TrimPrefix(b.NATS, "nats://"), "BRIDGE_ADMIN_LISTEN="+strings.TrimPrefix(b.Admin, "http://"))
	for args, want := range map[string]string{
		"tail ":                             "crm.zoho.Contacts.edit",
		"tail crm.zoho.":                    "crm.zoho.Contacts.>",
		"replay --subject ":                 "crm.zoho.>",
		"record zoho ":                      "Contacts",
		"send zoho-webhooks --module ":      "Contacts",
		"quarantine show ":                  "01",
		"record zoho Contacts 1 --account ": "default",
		"send zoho-webhooks --operation de": "delete",
	} {
		r := runs(t, env, append([]string{"__complete"}, strings.Split(args, " ")...)...)
		if !slices.ContainsFunc(strings.Split(r.out, "\n"), func(word string) bool { return word == want || want == "01" && strings.HasPrefix(word, want) }) {
			t.Errorf("%s is completed with %q", args, r.out)
		}
	}
	began := time.Now()
	if r := runs(t, append(environment(t.TempDir()), "BRIDGE_NATS_URL=nats://10.255.255.1:4222"), "__complete", "tail", ""); r.out != ":4\n" || time.Since(began) > 3*time.Second {
		t.Errorf("without a server: %q after %s", r.out, time.Since(began))
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := runs(t, env, "completion", shell); r.code != 0 || !strings.Contains(r.out, "crm-bridge") {
			t.Errorf("%s: %d %s", shell, r.code, r.errs)
		}
	}
	if r := runs(t, env, "completion", "csh"); r.code != 2 {
		t.Errorf("%+v", r)
	}
}
