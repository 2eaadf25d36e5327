package store_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

// giveUp has a consumer of a stream terminate its first message.
func giveUp(t *testing.T, js jetstream.JetStream, stream string) {
	t.Helper()
	consumer, err := js.CreateOrUpdateConsumer(t.Context(), stream, jetstream.ConsumerConfig{Durable: "billing"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := consumer.Next(jetstream.FetchMaxWait(5 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.TermWithReason("no customer"); err != nil {
		t.Fatal(err)
	}
}

// givenUp waits until a message is listed.
func givenUp(t *testing.T, s *store.EventStore) (dead []consumers.DeadLetter) {
	t.Helper()
	until(t, func() bool {
		var err error
		dead, err = s.Consumers.Dead.List(t.Context(), "", "")
		return err == nil && len(dead) > 0
	})
	return dead
}

// What a consumer of the embedded server gives up on is listed, also after a restart, and searched when a record is erased.
func TestGivenUpOnTheEmbeddedServer(t *testing.T) {
	t.Parallel()
	c := config(t)
	s, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t, s, "first"); err != nil {
		t.Fatal(err)
	}
	giveUp(t, streamsOf(t, s.URL), "CRM")
	before := givenUp(t, s)
	s.Close()
	c.Registry = config(t).Registry
	s = open(t, c)
	after := givenUp(t, s)
	if after[0] != before[0] || after[0].EventID != "first" || after[0].Reason != "terminated: no customer" {
		t.Errorf("%+v, before the restart %+v", after, before)
	}
	holdings, err := s.Holdings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if last := holdings[len(holdings)-1]; last.Stream != "CRM_DEAD" || last.Kind != store.DeadLetters {
		t.Errorf("the last stream of an erasure is %+v", last)
	}
}

// With a remote NATS the list is kept there, whether a journal is in front of it or not.
func TestGivenUpOnARemote(t *testing.T) {
	t.Parallel()
	for name, direct := range map[string]bool{"journal": false, "direct": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			remote := openFar(t)
			c := config(t)
			c.Remote, c.Direct = publish.Address{URL: remote.url}, direct
			s := open(t, c)
			running(t, s)
			if err := put(t, s, "first"); err != nil {
				t.Fatal(err)
			}
			js := remote.js(t)
			until(t, func() bool {
				_, err := js.Stream(t.Context(), "CRM_DEAD")
				return err == nil
			})
			giveUp(t, js, "CRM")
			if dead := givenUp(t, s); dead[0].EventID != "first" || dead[0].Consumer != "billing" {
				t.Errorf("%+v", dead)
			}
		})
	}
}

// said is a log that a test reads while it is written.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// unlisted checks that events are stored without the list, and that the log, once, and the list itself say why there is none.
func unlisted(t *testing.T, c store.Config, why ...string) *store.EventStore {
	t.Helper()
	log := &said{}
	c.Log = slog.New(slog.NewTextHandler(log, nil))
	c.Server.Log = c.Log
	s := open(t, c)
	running(t, s)
	if err := put(t, s, "first"); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return strings.Contains(log.String(), "what consumers give up on is not listed") })
	_, err := s.Consumers.Dead.List(t.Context(), "", "")
	if !errors.Is(err, consumers.ErrNoList) {
		t.Fatalf("the list: %v", err)
	}
	for _, part := range why {
		if !strings.Contains(err.Error(), part) || !strings.Contains(log.String(), part) {
			t.Errorf("neither may lack %q: %v; %s", part, err, log)
		}
	}
	if n := strings.Count(log.String(), "is not listed"); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
	return s
}

// Where another stream of the remote keeps the advisories, the bridge works without the list.
func TestAdvisoriesOfAnotherStream(t *testing.T) {
	t.Parallel()
	remote := openFar(t)
	if _, err := remote.js(t).CreateStream(t.Context(), jetstream.StreamConfig{Name: "ADVISORIES", Subjects: []string{"$JS.EVENT.ADVISORY.>"}}); err != nil {
		t.Fatal(err)
	}
	c := config(t)
	c.Remote, c.Direct = publish.Address{URL: remote.url}, true
	s := unlisted(t, c, "ADVISORIES", "remove that subject")
	if of, _ := holdings(t, s); of["CRM_DEAD"].Stream == "" {
		t.Error("an erasure would not search an earlier list")
	}
}

// Where the user of the remote may not make the list, the bridge works without it.
func TestListWithoutPermission(t *testing.T) {
	t.Parallel()
	remote := openFar(t)
	remote.stop()
	remote.options.Users = []*server.User{{Username: "bridge", Password: "pass", Permissions: &server.Permissions{Publish: &server.SubjectPermission{
		Allow: []string{">"}, Deny: []string{"$JS.API.STREAM.INFO.CRM_DEAD", "$JS.API.STREAM.CREATE.CRM_DEAD"},
	}}}}
	remote.start(t)
	streamsOf(t, remote.url, nats.UserInfo("bridge", "pass"))
	c := config(t)
	c.Remote, c.Direct = publish.Address{URL: remote.url, User: "bridge", Password: "pass"}, true
	s := unlisted(t, c, "$JS.API.STREAM.*.CRM_DEAD", "MAX_DELIVERIES.CRM.*")
	if of, _ := holdings(t, s); of["CRM_DEAD"].Stream != "" {
		t.Error("an erasure would search it, and fail")
	}
}
