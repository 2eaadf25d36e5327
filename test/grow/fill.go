package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/transform"
)

// filling is the server that a store is filled through, while no bridge runs on it.
type filling struct {
	server *server.Server
	conn   *nats.Conn
	js     jetstream.JetStream
}

// openFilling starts a server on a bridge's data folder. It syncs nothing: a store that is measured need not survive a power cut.
func openFilling(data string) (*filling, error) {
	s, err := server.NewServer(&server.Options{
		ServerName: "crm-bridge", DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: data, MaxPending: 256 << 20,
	})
	if err != nil {
		return nil, err
	}
	go s.Start()
	f := &filling{server: s}
	if !s.ReadyForConnections(time.Minute) || !s.JetStreamEnabled() {
		f.close()
		return nil, errors.New("the NATS server does not start")
	}
	if f.conn, err = nats.Connect("", nats.InProcessServer(s)); err == nil {
		f.js, err = jetstream.New(f.conn, jetstream.WithPublishAsyncMaxPending(4096))
	}
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// close stops the server in order, as a bridge does.
func (f *filling) close() {
	if f.conn != nil {
		f.conn.Close()
	}
	f.server.Shutdown()
	f.server.WaitForShutdown()
}

// put publishes n messages that message makes, and checks that the stream holds all of them.
func put(ctx context.Context, js jetstream.JetStream, stream string, n int, message func(n int) *nats.Msg) error {
	for i := range n {
		if _, err := js.PublishMsgAsync(message(i), jetstream.WithStallWait(time.Minute)); err != nil {
			return fmt.Errorf("fill stream %s: %w", stream, err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-ctx.Done():
		return ctx.Err()
	}
	found, err := js.Stream(ctx, stream)
	if err == nil && found.CachedInfo().State.Msgs < uint64(n) {
		err = fmt.Errorf("stream %s took %d of %d messages", stream, found.CachedInfo().State.Msgs, n)
	}
	return err
}

// event is a message as the bridge stores it of a callback about four changed fields, on one of so many subjects.
func event(n, subjects int) *nats.Msg {
	module, record := fmt.Sprintf("Module%d", n%subjects), fmt.Sprintf("5725767%012d", n)
	return &nats.Msg{
		Subject: "crm.zoho." + module + ".edit",
		Header:  nats.Header{"content-type": {"application/cloudevents+json"}},
		Data: fmt.Appendf(nil, `{"specversion":"1.0","id":"grow-%038d","source":"https://www.zohoapis.com/crm/v2/%[2]s","type":"crm.zoho.%[2]s.edit",`+
			`"subject":"%[3]s","datacontenttype":"application/json","dataschema":"urn:crm-bridge:schema:v1:zoho-notifications","time":"2024-06-11T14:25:53.625Z",`+
			`"data":{"provider":"zoho","account":"default","channel":"1000000068001","module":"%[2]s","operation":"edit","ids":["%[3]s"],`+
			`"fields":{"%[3]s":["Mobile","City"]},"values":{"%[3]s":{"Mobile":"+49 151 23456789","City":"Berlin"}},`+
			`"native":{"operation":"update","body":{"server_time":1718115953625,"query_params":{},"module":"%[2]s","ids":["%[3]s"],"affected_fields":[{"%[3]s":["Mobile","City"]}],"operation":"update"}}},`+
			`"crmaccount":"default","crmchannel":"1000000068001","crmmodule":"%[2]s","crmoperation":"edit","crmorigin":"live","crmprovider":"zoho"}`, n, module, record),
	}
}

// quarantinedID is the id of the n-th quarantined callback.
func quarantinedID(n int) string { return fmt.Sprintf("0198c1f0-0000-7000-8000-%012d", n) }

// quarantined is a message as the bridge keeps a callback that cannot be parsed.
func quarantined(n int) *nats.Msg {
	body, _ := json.Marshal(transform.Quarantined{ // of strings alone
		ID: quarantinedID(n), Source: "zoho-notifications", Account: "default", Reason: "malformed: the body is not JSON", ReceivedAt: time.Now().UTC(),
		Method: "POST", Path: "/zoho/notifications", ContentType: "application/json", Body: fmt.Sprintf(`{"module":"Deals","ids":["%019d"],"operation":"update"`, n),
	})
	return &nats.Msg{
		Subject: "crm-quarantine.zoho-notifications", Data: body,
		Header: nats.Header{"content-type": {"application/json"}, "crm-quarantine-id": {quarantinedID(n)}},
	}
}

// fill fills the streams of a bridge that is stopped.
func (p plan) fill(ctx context.Context, data string) error {
	f, err := openFilling(data)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(data), err)
	}
	defer f.close()
	if err := put(ctx, f.js, "CRM", p.events, func(n int) *nats.Msg { return event(n, p.subjects) }); err != nil {
		return err
	}
	return put(ctx, f.js, "CRM_QUARANTINE", p.quarantined, quarantined)
}
