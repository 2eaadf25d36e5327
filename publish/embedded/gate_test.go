package embedded_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// ask sends a request as a reader and returns the error of the answer. Silence fails the test.
func ask(t *testing.T, nc *nats.Conn, subject, body string) *jetstream.APIError {
	t.Helper()
	reply, err := nc.Request(subject, []byte(body), 3*time.Second)
	if err != nil {
		t.Errorf("%s %.200s: %v", subject, body, err)
		return nil
	}
	var of struct {
		Type  string              `json:"type"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &of); err != nil || !strings.HasPrefix(of.Type, "io.nats.jetstream.api.v1.") {
		t.Errorf("%s is not answered by JetStream: %.200s", subject, reply.Data)
	}
	return of.Error
}

// writing are requests that change streams, with their payloads.
var writing = map[string]string{
	"$JS.API.STREAM.PURGE.CRM": "", "$JS.API.STREAM.DELETE.CRM": "", "$JS.API.STREAM.MSG.DELETE.CRM": `{"seq":1}`,
	"$JS.API.STREAM.UPDATE.CRM":   `{"name":"CRM","subjects":["other.>"]}`,
	"$JS.API.STREAM.CREATE.OTHER": `{"name":"OTHER","subjects":["other.>"]}`,
	"$JS.API.STREAM.RESTORE.CRM":  `{"config":{"name":"CRM"}}`, "$JS.API.STREAM.SNAPSHOT.CRM": `{"deliver_subject":"_INBOX.x"}`,
	"$JS.API.STREAM.INFO.CRM_STATE": "", "$JS.API.CONSUMER.CREATE.CRM_STATE": "{}", "$JS.API.ACCOUNT.PURGE.$G": "",
	"$JS.API.STREAM.LEADER.STEPDOWN.CRM": "", "$JS.API.CONSUMER.LEADER.STEPDOWN.CRM.x": "", "$JS.API.META.LEADER.STEPDOWN": "",
	"$JS.API.SERVER.REMOVE": "{}", "$JS.API.STREAM.PEER.REMOVE.CRM": "{}", "$JS.API.CONSUMER.DELETE.CRM_STATE.x": "",
	"$JS.API.CONSUMER.MSG.NEXT.CRM_STATE.x": "", "$JS.API.DIRECT.GET.CRM_STATE": `{"seq":1}`, "$JS.API.NOTHING": "", "$JS.API.CONSUMER": "",
	"$JS.API.CONSUMER.DELETE.CRM.*": "", "$JS.API.CONSUMER.MSG.NEXT.*.pull": "", "$JS.API.STREAM.INFO.*": "", "$JS.API.CONSUMER.RESET.CRM.>": "",
}

// eachReader runs a test without a user on loopback, and as the named user.
func eachReader(t *testing.T, run func(t *testing.T, server *embedded.Server, owner *publish.Conn, nc *nats.Conn, js jetstream.JetStream)) {
	t.Run("anyone", func(t *testing.T) {
		server, conn := publishtest.Open(t, nil)
		nc, js := publishtest.Connect(t, server)
		run(t, server, conn, nc, js)
	})
	t.Run("named", func(t *testing.T) {
		server, conn := publishtest.Open(t, func(c *embedded.Config) { c.User, c.Pass = "reader", "reader-password" })
		nc, js := publishtest.Connect(t, server, nats.UserInfo("reader", "reader-password"))
		run(t, server, conn, nc, js)
	})
}

// A reader cannot write to a stream: not by publishing, not through the API, and not by a reply subject.
func TestConsumersMayNotWrite(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, _ *embedded.Server, owner *publish.Conn, nc *nats.Conn, js jetstream.JetStream) {
		publishEvents(t, owner, 1)
		if _, err := js.CreateOrUpdateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Durable: "pull", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
			t.Fatal(err)
		}
		for subject, body := range writing {
			if failed := ask(t, nc, subject, body); failed == nil || failed.Code != 403 {
				t.Errorf("%s: %v", subject, failed)
			}
		}
		for _, subject := range []string{"crm.acme.Deals.edit", "crm-quarantine.acme-notifications", "$KV.CRM_STATE.key", "$JS.FC.CRM.x.y", "_INBOX.x"} {
			if err := nc.PublishRequest(subject, nc.NewInbox(), []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
		for _, subject := range []string{"$JS.API.STREAM.INFO.CRM", "$JS.API.CONSUMER.MSG.NEXT.CRM.pull", "$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.MSG.GET.CRM"} {
			for _, reply := range []string{"crm.acme.Deals.forged", "$JS.API.STREAM.PURGE.CRM", "$JS.ACK.CRM.pull.1.1.1.1.1", "_INBOX.>", "_INBOX.*.x"} {
				if err := nc.PublishRequest(subject, reply, []byte(`{"seq":1}`)); err != nil {
					t.Fatal(err)
				}
			}
		}
		holds(t, js, "CRM", 1)
		holds(t, js, "CRM_QUARANTINE", 0)
	})
}

// A reader sees the streams that it may read, by name and in whole, and no others.
func TestReadersSeeTheirStreamsAlone(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, _ *embedded.Server, owner *publish.Conn, _ *nats.Conn, js jetstream.JetStream) {
		publishtest.EnsureStream(t, owner, "CRM_DEAD", "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.CRM.*")
		var names, listed []string
		all := js.StreamNames(t.Context())
		for name := range all.Name() {
			names = append(names, name)
		}
		infos := js.ListStreams(t.Context())
		for info := range infos.Info() {
			listed = append(listed, info.Config.Name)
		}
		if want := []string{"CRM", "CRM_QUARANTINE"}; !slices.Equal(names, want) || !slices.Equal(listed, want) || all.Err() != nil || infos.Err() != nil {
			t.Errorf("it sees %v and %v (%v, %v)", names, listed, all.Err(), infos.Err())
		}
		if name, err := js.StreamNameBySubject(t.Context(), "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.CRM.x"); err == nil {
			t.Errorf("it finds stream %s", name)
		}
		if name, err := js.StreamNameBySubject(t.Context(), "crm.>"); err != nil || name != "CRM" {
			t.Errorf("it finds stream %s, %v", name, err)
		}
	})
}

// holds checks the number of messages in a stream, after every earlier request has been handled.
func holds(t *testing.T, js jetstream.JetStream, stream string, messages uint64) {
	t.Helper()
	for range 3 {
		of, err := js.Stream(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		if held := of.CachedInfo().State.Msgs; held != messages {
			t.Fatalf("stream %s holds %d messages, not %d", stream, held, messages)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func publishEvents(t *testing.T, conn *publish.Conn, n int) {
	t.Helper()
	publisher := publishtest.Publisher(conn)
	for i := range n {
		if _, err := publisher.Publish(t.Context(), publish.Event{Event: publishtest.Event(fmt.Sprint("id-", i))}); err != nil {
			t.Fatal(err)
		}
	}
}

// A push consumer whose deliver_subject is changed to one that writes would have the server publish its heartbeats there. No request
// for one reaches the server, however it is encoded.
func TestPushConsumersAreRefused(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, _ *embedded.Server, owner *publish.Conn, nc *nats.Conn, js jetstream.JetStream) {
		publishEvents(t, owner, 3)
		targets := []string{"crm.acme.Deals.edit", "crm-quarantine.x", "_INBOX.mine"}
		for subject := range writing {
			targets = append(targets, subject)
		}
		for i, target := range targets {
			name := fmt.Sprint("push", i)
			for subject, create := range map[string]string{
				"$JS.API.CONSUMER.CREATE.CRM." + name:         `{"stream_name":"CRM","config":{"name":"NAME","deliver_subject":"TARGET","idle_heartbeat":100000000,"ack_policy":"explicit","deliver_policy":"all"}}`,
				"$JS.API.CONSUMER.CREATE.CRM":                 `{"stream_name":"CRM","config":{"DELIVER_SUBJECT":"TARGET","ack_policy":"none","deliver_policy":"all"}}`,
				"$JS.API.CONSUMER.DURABLE.CREATE.CRM." + name: `{"stream_name":"CRM","config":{"durable_name":"NAME","deliver_subject":"","Deliver_Subject":"TARGET","ack_policy":"explicit","deliver_policy":"all"}}`,
				"$JS.API.CONSUMER.CREATE.CRM.x" + name:        `{"stream_name":"CRM","config":{"name":"xNAME","ack_policy":"explicit","deliver_policy":"all"}}{"config":{"deliver_subject":"TARGET"}}`,
				"$JS.API.CONSUMER.CREATE.CRM.y" + name:        `{"stream_name":"CRM","config":{"deliver_subject":"TARGET"},"Config":{"name":"yNAME","ack_policy":"explicit","deliver_policy":"all"}}`,
			} {
				create = strings.NewReplacer("NAME", name, "TARGET", target).Replace(create)
				if failed := ask(t, nc, subject, create); failed == nil || failed.Code != 403 {
					t.Errorf("%s %s: %v", subject, create, failed)
				}
			}
			// A pull consumer cannot become one either.
			pull := fmt.Sprintf(`{"stream_name":"CRM","config":{"name":"pull%d","ack_policy":"explicit","deliver_policy":"all"}}`, i)
			if failed := ask(t, nc, fmt.Sprint("$JS.API.CONSUMER.CREATE.CRM.pull", i), pull); failed != nil {
				t.Errorf("a pull consumer: %v", failed)
			}
			moved := strings.Replace(pull, `"ack_policy"`, `"deliver_subject":"`+target+`","idle_heartbeat":100000000,"ack_policy"`, 1)
			if failed := ask(t, nc, fmt.Sprint("$JS.API.CONSUMER.CREATE.CRM.pull", i), moved); failed == nil || failed.Code != 403 {
				t.Errorf("moved to %s: %v", target, failed)
			}
		}
		holds(t, js, "CRM", 3)
		holds(t, js, "CRM_QUARANTINE", 0)
	})
}

// Push consumers that earlier versions let readers create are deleted at the start.
func TestStoredPushConsumersAreRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, conn := publishtest.Open(t, func(c *embedded.Config) { c.Dir = dir })
	owner, err := nats.Connect(server.ClientURL(), nats.UserInfo("crm-bridge", publishtest.Password))
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	for name, config := range map[string]string{"push": `"deliver_subject":"crm-elsewhere","idle_heartbeat":100000000,`, "pull": ""} {
		body := fmt.Sprintf(`{"stream_name":"CRM","config":{"durable_name":%q,%s"ack_policy":"explicit","deliver_policy":"new"}}`, name, config)
		if failed := ask(t, owner, "$JS.API.CONSUMER.CREATE.CRM."+name, body); failed != nil {
			t.Fatal(failed)
		}
	}
	conn.Close()
	server.Close()
	server, _ = publishtest.Open(t, func(c *embedded.Config) { c.Dir = dir })
	_, js := publishtest.Connect(t, server)
	if _, err := js.Consumer(t.Context(), "CRM", "pull"); err != nil {
		t.Errorf("the pull consumer: %v", err)
	}
	if _, err := js.Consumer(t.Context(), "CRM", "push"); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Errorf("the push consumer: %v", err)
	}
}

// Readers cannot use the bridge's consumers: each such request is rejected with an error, and the consumer is unchanged.
func TestConsumersOfTheBridge(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, server *embedded.Server, conn *publish.Conn, nc *nats.Conn, js jetstream.JetStream) {
		publishEvents(t, conn, 3)
		own, err := nats.Connect(server.ClientURL(), nats.UserInfo("crm-bridge", publishtest.Password))
		if err != nil {
			t.Fatal(err)
		}
		defer own.Close()
		ownJS, err := jetstream.New(own)
		if err != nil {
			t.Fatal(err)
		}
		made, err := ownJS.CreateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Durable: "crm-bridge-x", AckPolicy: jetstream.AckExplicitPolicy})
		if err != nil {
			t.Fatal(err)
		}
		msg, err := made.Next()
		if err != nil {
			t.Fatal(err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		numbers := fmt.Sprintf("%d.%d.%d.%d.%d", 1, meta.Sequence.Stream, meta.Sequence.Consumer, meta.Timestamp.UnixNano(), meta.NumPending)
		create := `{"stream_name":"CRM","config":{"durable_name":"crm-bridge-x","ack_policy":"explicit","max_deliver":7}}`
		for subject, body := range map[string]string{
			"$JS.API.CONSUMER.CREATE.CRM.crm-bridge-x": create, "$JS.API.CONSUMER.DURABLE.CREATE.CRM.crm-bridge-x": create,
			"$JS.API.CONSUMER.CREATE.CRM.crm-bridge-x.crm.acme.>": create, "$JS.API.CONSUMER.CREATE.CRM.crm-bridge-y": strings.ReplaceAll(create, "-x", "-y"),
			"$JS.API.CONSUMER.CREATE.CRM":              `{"stream_name":"CRM","config":{"name":"crm-bridge-x","ack_policy":"explicit"}}`,
			"$JS.API.CONSUMER.DELETE.CRM.crm-bridge-x": "", "$JS.API.CONSUMER.PAUSE.CRM.crm-bridge-x": `{"pause_until":"2100-01-01T00:00:00Z"}`,
			"$JS.API.CONSUMER.RESET.CRM.crm-bridge-x": `{"seq":2}`, "$JS.API.CONSUMER.UNPIN.CRM.crm-bridge-x": `{"group":"x"}`,
			"$JS.API.CONSUMER.MSG.NEXT.CRM.crm-bridge-x": "", "$JS.ACK.CRM.crm-bridge-x." + numbers: "+ACK",
			"$JS.ACK._.anyhash.CRM.crm-bridge-x." + numbers + ".x": "+TERM",
		} {
			if failed := ask(t, nc, subject, body); failed == nil || failed.Code != 403 {
				t.Errorf("%s: %v", subject, failed)
			}
		}
		if err := nc.Publish("$JS.ACK.CRM.crm-bridge-x."+numbers, []byte("+ACK")); err != nil { // without a reply
			t.Fatal(err)
		}
		holds(t, js, "CRM", 3)
		info, err := made.Info(t.Context())
		if err != nil || info.NumAckPending != 1 || info.Delivered.Stream != 1 || info.Paused || info.Config.MaxDeliver != -1 {
			t.Errorf("the bridge's consumer is now %+v, %v", info, err)
		}
		if _, err := js.Consumer(t.Context(), "CRM", "crm-bridge-x"); err != nil {
			t.Errorf("readers may look: %v", err)
		}
	})
}
