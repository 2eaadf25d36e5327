package e2e

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// ownNATS starts a NATS of one's own, and returns its URL for a user: bridge:b may do everything, reader:r what docs/consuming.md lists
// for a stream.
func ownNATS(t *testing.T, stream string) func(user string) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/consuming.md")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile("(?s)```\n(\\$JS.*?)\n```").FindSubmatch(doc)
	if list == nil {
		t.Fatal("the list of requests is not where it was")
	}
	requests := strings.ReplaceAll(string(list[1]), ".CRM", "."+stream)
	options := &server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true, Users: []*server.User{
		{Username: "bridge", Password: "b"},
		{Username: "reader", Password: "r", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: strings.Split(requests, "\n")},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}},
	}}
	remote, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	go remote.Start()
	if !remote.ReadyForConnections(10 * time.Second) {
		t.Fatal("the remote does not start")
	}
	t.Cleanup(remote.Shutdown)
	return func(user string) string { return strings.Replace(remote.ClientURL(), "//", "//"+user+"@", 1) }
}

// On a NATS of one's own, reading takes no more rights than docs/consuming.md lists.
func TestReadingTakesLittle(t *testing.T) {
	as := ownNATS(t, "CRM")
	b := start(t, t.TempDir(), documentedToken, "BRIDGE_DELIVERY=direct", "BRIDGE_NATS_URL="+as("bridge:b"))
	for i := range 3 {
		change(t, b, "Deals", i)
	}
	js := service(t, as("reader:r"))
	billing, err := openBilling(t.Context(), js, time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if got := next(t, billing, 3); got != "1 2 3" {
		t.Errorf("read %s", got)
	}
	if _, err := js.ResetConsumerToSequence(t.Context(), "CRM", "billing", 3); err != nil {
		t.Error(err)
	}
	if got := next(t, billing, 1); got != "3" {
		t.Errorf("after the reset read %s", got)
	}
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := missed(t.Context(), stream, billing); err != nil {
		t.Error(err)
	}
	if err := js.DeleteConsumer(t.Context(), "CRM", "billing"); err != nil {
		t.Error(err)
	}
	if _, err := readBeside(t.Context(), js, time.Now().Add(-time.Hour), func(msg jetstream.Msg) { _ = msg.Ack() }); err != nil {
		t.Error(err)
	}
}

// The code in docs/consuming.md is that of these tests.
func TestConsumingIsTested(t *testing.T) {
	code, err := os.ReadFile("consuming_code_test.go")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../docs/consuming.md")
	if err != nil {
		t.Fatal(err)
	}
	var tested, shown []string
	for _, part := range regexp.MustCompile(`(?s)// doc: \w+\n\n(.*?)\n\n// end`).FindAllSubmatch(code, -1) {
		tested = append(tested, string(part[1]))
	}
	for _, part := range regexp.MustCompile("(?s)```go\n(.*?)\n```").FindAllSubmatch(doc, -1) {
		shown = append(shown, string(part[1]))
	}
	if !slices.Equal(tested, shown) {
		t.Errorf("docs/consuming.md shows %d pieces of Go, of which %d are tested here: copy what stands between doc and end", len(shown), len(tested))
	}
}
