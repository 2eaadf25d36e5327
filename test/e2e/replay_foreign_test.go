package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What is not an event is passed over and counted, or shown with an error; each line of stdout is whole, whatever a stranger
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

// remoteStream makes a stream on a server and connects to it.
func remoteStream(t *testing.T, url string, config jetstream.StreamConfig) jetstream.JetStream {
	t.Helper()
	js := service(t, url)
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	return js
}
