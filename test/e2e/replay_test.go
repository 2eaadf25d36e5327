package e2e

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ran is what a command of the program did.
type ran struct {
	out, errs string
	code      int
}

// replayed is a line of replay --to stdout.
type replayed struct {
	Subject  string
	Sequence uint64
	StoredAt time.Time
	Error    string
	Event    struct{ ID, Type string }
}

// replayCommand is replay with the environment of a bridge, or of a remote.
func replayCommand(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, append([]string{"replay"}, args...)...)
	cmd.Env = env
	return cmd
}

func replay(t *testing.T, env []string, args ...string) ran {
	t.Helper()
	return runs(t, env, append([]string{"replay"}, args...)...)
}

// lines are those of a replay to stdout that must succeed.
func lines(t *testing.T, env []string, args ...string) []replayed {
	t.Helper()
	r := replay(t, env, args...)
	if r.code != 0 {
		t.Fatalf("replay %v ended with %d: %s", args, r.code, r.errs)
	}
	return parseLines(t, r.out)
}

func parseLines(t *testing.T, out string) (all []replayed) {
	t.Helper()
	for line := range strings.Lines(out) {
		var one replayed
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v in the line %q", err, line)
		}
		all = append(all, one)
	}
	return all
}

func sequences(all []replayed) []uint64 {
	var each []uint64
	for _, one := range all {
		each = append(each, one.Sequence)
	}
	return each
}

func onBridge(b *bridge, dir string) []string {
	return append(environment(dir), "BRIDGE_NATS_LISTEN="+strings.TrimPrefix(b.NATS, "nats://"))
}

// A replay gives what was asked for, by subject, record, origin, time and sequence, with the ids that were answered; a dry
// run counts the same; nothing of it reaches live subjects, and no consumer is left.
func TestReplaySelects(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir, documentedToken)
	env := onBridge(b, dir)
	var want []string
	send := func(i int, module string) {
		a := post(t, b.Callbacks+path, strings.ReplaceAll(distinct(i), `"Contacts"`, `"`+module+`"`))
		if a.Status != 200 {
			t.Fatalf("answered %d %s", a.Status, a.Text)
		}
		want = append(want, a.Events[0].ID)
	}
	for i := range 3 {
		send(i, "Contacts") // 1, 3, 5
		send(i, "Deals")    // 2, 4, 6
	}
	all := lines(t, env)
	middle := all[5].StoredAt.Add(time.Nanosecond).Format(time.RFC3339Nano)
	for i := range 2 {
		send(i, "Leads") // 7, 8
	}
	later := time.Now().Add(time.Hour).Format(time.RFC3339)
	for _, test := range []struct {
		args string
		want []uint64
	}{
		{"", []uint64{1, 2, 3, 4, 5, 6, 7, 8}},
		{"--subject crm.zoho.Deals.*", []uint64{2, 4, 6}},
		{"--subject crm.zoho.Deals.edit --subject crm.*.Leads.> --subject crm.zoho.Leads.edit", []uint64{2, 4, 6, 7, 8}},
		{"--subject crm.zoho.Contacts.edit --subject crm.zoho.Leads.edit --since " + all[3].StoredAt.Format(time.RFC3339Nano), []uint64{5, 7, 8}},
		{"--record 9000000000001", []uint64{3, 4, 8}},
		{"--record 9000000000001 --subject crm.zoho.Deals.>", []uint64{4}},
		{"--origin live --from-sequence 8", []uint64{8}},
		{"--origin backfill", nil},
		{"--since " + middle, []uint64{7, 8}},
		{"--until " + middle, []uint64{1, 2, 3, 4, 5, 6}},
		{"--since 1h --until " + middle + " --from-sequence 3 --to-sequence 5", []uint64{3, 4, 5}},
		{"--since " + later, nil},
		{"--until 2020-01-01", nil},
		{"--to-sequence 100 --from-sequence 100", nil},
		{"--subject crm.bitrix24.>", nil},
		{"--rate 100 --from-sequence 6", []uint64{6, 7, 8}},
	} {
		got := lines(t, env, strings.Fields(test.args)...)
		if diff := cmp.Diff(test.want, sequences(got)); diff != "" {
			t.Errorf("%s: %s", test.args, diff)
		}
		for _, one := range got {
			if one.Event.ID != want[one.Sequence-1] || one.Subject != one.Event.Type || one.StoredAt.IsZero() {
				t.Errorf("%s: %+v, not with the id %s", test.args, one, want[one.Sequence-1])
			}
		}
	}
	dry := replay(t, env, "--dry-run", "--subject", "crm.zoho.Deals.*", "--subject", "crm.zoho.Contacts.*")
	if !strings.Contains(dry.out, `{"subject":"crm.zoho.Contacts.edit","events":3,"first":`) || !strings.Contains(dry.out, `"crm.zoho.Deals.edit","events":3`) || strings.Count(dry.out, "\n") != 2 || dry.code != 0 {
		t.Errorf("the dry run printed %s %s", dry.out, dry.errs)
	}
	if dry = replay(t, env, "--dry-run", "--record", "9000000000001", "--to", "subject"); strings.Count(dry.out, `"events":1`) != 3 {
		t.Errorf("the dry run for a record printed %s %s", dry.out, dry.errs)
	}
	_, js := consumer(t, b.NATS, "crm.>")
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	if state := stream.CachedInfo().State; state.Msgs != 8 || state.Consumers != 1 {
		t.Errorf("the stream holds %d events and %d consumers", state.Msgs, state.Consumers)
	}
	for _, wrong := range []string{"--since tomorrow", "--since 1d --until 2d", "--to ftp://x", "--subject a..b", "--rate -1", "--job x", "--to subject --job a.b", "--origin old", "--from-sequence 9 --to-sequence 3", "--header-file x", "all"} {
		if r := replay(t, env, strings.Fields(wrong)...); r.code != 2 {
			t.Errorf("%s ended with %d: %s", wrong, r.code, r.errs)
		}
	}
}

// held is what a stream of replayed events has on the subjects of a job, in order.
func held(t *testing.T, url, job string) (all []*jetstream.RawStreamMsg) {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "CRM_REPLAY")
	if err != nil {
		t.Fatal(err)
	}
	for next := uint64(1); ; next++ {
		msg, err := stream.GetMsg(t.Context(), next, jetstream.WithGetMsgSubject("crm-replay."+job+".>"))
		if err != nil {
			return all
		}
		all, next = append(all, msg), msg.Sequence
	}
}

// Two jobs over the same events both get all of them, as they were, and a job that was done does nothing more unless it is
// told to restart. Who only reads may replay to stdout alone.
func TestReplayToSubject(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, documentedToken, "BRIDGE_EVENT_MODE=binary")
	env := onBridge(b, dir)
	var want []string
	for i := range 20 {
		want = append(want, post(t, b.Callbacks+path, distinct(i)).Events[0].ID)
	}
	check := func(job string) {
		t.Helper()
		var got []string
		for i, msg := range held(t, b.NATS, job) {
			got = append(got, msg.Header["ce-id"][0])
			if msg.Subject != "crm-replay."+job+".zoho.Contacts.edit" || msg.Header.Get(nats.MsgIdHdr) != job+":"+want[i] || msg.Header["content-type"][0] != "application/json" {
				t.Errorf("%s: %s with %v", job, msg.Subject, msg.Header)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("job %s: %s", job, diff)
		}
	}
	for _, job := range []string{"one", "two"} {
		r := replay(t, env, "--to", "subject", "--job", job)
		if r.code != 0 || !strings.Contains(r.out, `"events":20`) || !strings.Contains(r.out, `"job":"`+job+`"`) {
			t.Fatalf("ended with %d: %s %s", r.code, r.out, r.errs)
		}
		check(job)
	}
	if r := replay(t, env, "--to", "subject", "--job", "one"); r.code != 0 || !strings.Contains(r.out, `"before":true`) || !strings.Contains(r.errs, "was done") {
		t.Errorf("again it ended with %d: %s %s", r.code, r.out, r.errs)
	}
	if r := replay(t, env, "--to", "subject", "--job", "one", "--since", "1h", "--record", "7"); r.code != 1 || !strings.Contains(r.errs, "--since was not given, now 1h; --record was not given, now 7") {
		t.Errorf("with other flags it ended with %d: %s", r.code, r.errs)
	}
	if r := replay(t, env, "--to", "http://127.0.0.1:9", "--job", "one"); r.code != 1 || !strings.Contains(r.errs, "--to was subject") {
		t.Errorf("with another target it ended with %d: %s", r.code, r.errs)
	}
	if r := replay(t, env, "--to", "subject", "--job", "one", "--restart"); r.code != 0 || !strings.Contains(r.out, `"events":20`) || strings.Contains(r.out, "duplicates") {
		t.Errorf("run again, it ended with %d: %s %s", r.code, r.out, r.errs)
	}
	check("one")
	check("two")
	if r := replay(t, env, "--to", "subject"); r.code != 0 || !strings.Contains(r.errs, "--job 20") {
		t.Errorf("without a name it ended with %d: %s %s", r.code, r.out, r.errs)
	}

	stranger := onBridge(b, t.TempDir())
	for _, to := range []string{"subject", "http://127.0.0.1:9"} {
		if r := replay(t, stranger, "--to", to); r.code != 1 || !strings.Contains(r.errs, "the bridge's own user") {
			t.Errorf("without the credential --to %s ended with %d: %s", to, r.code, r.errs)
		}
	}
	if got := lines(t, stranger); len(got) != 20 {
		t.Errorf("without the credential stdout got %d", len(got))
	}
	if c, _ := consumer(t, b.NATS, "crm.>"); c.CachedInfo().NumPending != 20 {
		t.Errorf("the live stream holds %d events", c.CachedInfo().NumPending)
	}
}
