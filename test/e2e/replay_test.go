package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
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

// What is no event is passed over and counted, or shown with an error; each line of stdout is whole, whatever a stranger
// has put into the stream.
func TestReplayOfForeignMessages(t *testing.T) {
	remote := openRemote(t, t.TempDir(), -1)
	js := remoteStream(t, remote.ClientURL(), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>", "crm.>"}})
	cloud := nats.Header{"content-type": {"application/cloudevents+json; charset=utf-8"}}
	whole := `{"specversion":"1.0","id":"%d","type":"t","source":"s","data":{"a":1}}`
	for i, msg := range []*nats.Msg{
		{Subject: "orders.new", Data: []byte("plain\ntext")},
		{Subject: "orders.new", Data: fmt.Appendf(nil, whole, 2), Header: cloud},
		{Subject: "orders.new", Data: []byte("{\n\"id\":\"3\",\r\n\"specversion\":\"1.0\",\"type\":\"t\",\"source\":\"s\",\"data\":{\"a\":\n1}}"), Header: cloud},
		{Subject: "orders.new", Data: []byte(`{"specversion":"1.0","id":"x"} {"b":1}`), Header: cloud},
		{Subject: "orders.new", Data: nil, Header: nats.Header{"Status": {"404"}}},
		{Subject: `orders."quoted"é`, Data: []byte("x\ny"), Header: nats.Header{"content-type": {"text/plain"}, "ce-specversion": {"1.0"}, "ce-id": {"6"}, "ce-type": {"t"}, "ce-source": {"s"}}},
		{Subject: "crm.zoho.Deals.edit", Data: fmt.Appendf(nil, whole, 7), Header: nats.Header{"content-type": cloud["content-type"], "Nats-Msg-Id": {"old"}, "Nats-Rollup": {"sub"}, "traceparent": {"kept"}}},
	} {
		if i == 6 {
			msg.Header.Del("Nats-Rollup") // the stream allows none
		}
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	env := append(environment(t.TempDir()), "BRIDGE_NATS_URL="+remote.ClientURL(), "BRIDGE_STREAM=ORDERS")
	got := lines(t, env, "--subject", "orders.>", "--subject", "crm.>")
	var told []string
	for _, one := range got {
		told = append(told, fmt.Sprintf("%d %s %t", one.Sequence, one.Event.ID, one.Error != ""))
	}
	if diff := cmp.Diff([]string{"1  true", "2 2 false", "3 3 false", "4  true", "5  true", "6 6 false", "7 7 false"}, told); diff != "" {
		t.Error(diff)
	}
	r := replay(t, env, "--subject", ">", "--to", "subject", "--job", "j")
	if r.code != 0 || !strings.Contains(r.out, `"read":7,"events":4,"noEvents":3`) || !strings.Contains(r.errs, "skipped: message 4 on orders.new") {
		t.Errorf("ended with %d: %s %s", r.code, r.out, r.errs)
	}
	conn, err := nats.Connect(remote.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	own, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := own.Stream(t.Context(), "ORDERS_REPLAY")
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.GetMsg(t.Context(), 1)
	if err != nil || first.Subject != "crm-replay.j.orders.new" {
		t.Errorf("%v %+v", err, first)
	}
	last, err := stream.GetMsg(t.Context(), 4)
	if err != nil || last.Subject != "crm-replay.j.zoho.Deals.edit" || last.Header.Get(nats.MsgIdHdr) != "j:7" || last.Header["traceparent"][0] != "kept" || string(last.Data) != fmt.Sprintf(whole, 7) {
		t.Errorf("%v %+v", err, last)
	}
}

func remoteStream(t *testing.T, url string, config jetstream.StreamConfig) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	return js
}

// Posts are CloudEvents in either mode, carry the headers of a file, and no secret of theirs is shown.
func TestReplayOverHTTP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, documentedToken)
	env := onBridge(b, dir)
	var want []string
	for i := range 5 {
		want = append(want, post(t, b.Callbacks+path, distinct(i)).Events[0].ID)
	}
	endpoint := &endpoint{}
	server := httptest.NewServer(endpoint)
	defer server.Close()
	secret := strings.Replace(server.URL, "http://", "http://user:planted-password@", 1) + "/hooks/planted-path?key=planted-query"
	file := writeFile(t, "# for the endpoint\n\nAuthorization: Bearer planted-token\nX-Team: crm\n")
	for _, mode := range []string{"structured", "binary"} {
		endpoint.reset()
		r := replay(t, env, "--to", secret, "--job", mode, "--content-mode", mode, "--header-file", file)
		if r.code != 0 || !strings.Contains(r.out, `"events":5`) || strings.Contains(r.out+r.errs, "planted") {
			t.Errorf("ended with %d: %s %s", r.code, r.out, r.errs)
		}
		if diff := cmp.Diff(want, endpoint.taken()); diff != "" {
			t.Errorf("%s: %s", mode, diff)
		}
		post := endpoint.first()
		if post.header.Get("Authorization") != "Bearer planted-token" || post.header.Get("X-Team") != "crm" || post.uri != "/hooks/planted-path?key=planted-query" {
			t.Errorf("%s: %s %v", mode, post.uri, post.header)
		}
		if mode == "binary" && (post.header.Get("Content-Type") != "application/json" || post.header.Get("ce-type") != "crm.zoho.Contacts.edit" || !strings.HasPrefix(post.body, `{"provider"`)) {
			t.Errorf("%v %s", post.header, post.body)
		}
	}

	endpoint.reset()
	endpoint.answers(func(n int) int { return map[int]int{2: 400, 4: 302}[n] })
	r := replay(t, env, "--to", secret, "--job", "refused")
	if r.code != 1 || !strings.Contains(r.errs, "event "+want[1]+" (crm.zoho.Contacts.edit, sequence 2): the endpoint answered 400 Bad Request; run the same command with --job refused --skip-refused to resume without it") || strings.Contains(r.errs, "planted") {
		t.Errorf("ended with %d: %s", r.code, r.errs)
	}
	endpoint.answers(func(n int) int { return map[int]int{3: 422, 5: 302}[n] }) // the third post is the second event again
	r = replay(t, env, "--to", secret, "--job", "refused", "--skip-refused")
	if r.code != 0 || !strings.Contains(r.out, `"events":3,"refused":2`) || !strings.Contains(r.errs, "redirects are not followed") || strings.Contains(r.errs, "planted") {
		t.Errorf("ended with %d: %s %s", r.code, r.out, r.errs)
	}
	if diff := cmp.Diff([]string{want[0], want[2], want[4]}, endpoint.taken()); diff != "" {
		t.Error(diff)
	}
	server.Close()
	r = replay(t, env, "--to", secret, "--job", "away", "--retry-for", "1s")
	if r.code != 1 || !strings.Contains(r.errs, "run the same command with --job away to resume") || !strings.Contains(r.errs, want[0]) || strings.Contains(r.errs, "planted") {
		t.Errorf("without an endpoint it ended with %d: %s", r.code, r.errs)
	}
	wrong := writeFile(t, "Authorization Bearer planted-token\n")
	if r = replay(t, env, "--to", secret, "--header-file", wrong); r.code != 1 || !strings.Contains(r.errs, "line 1") || strings.Contains(r.errs, "planted") {
		t.Errorf("with a wrong file it ended with %d: %s", r.code, r.errs)
	}
	if slices.Contains(endpoint.methods(), http.MethodGet) {
		t.Error("a redirect was followed")
	}
}
