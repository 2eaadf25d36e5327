package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
)

const (
	stream       = "CRM"
	journal      = stream + "_JOURNAL"
	eventSubject = "crm.zoho.Leads.edit"
	journalBytes = 1 << 30
)

// openEmbedded opens the server of a data folder.
func openEmbedded(ctx context.Context, dir string) (*embedded.Server, *publish.Conn, error) {
	server, err := embedded.Open(ctx, embedded.Config{
		Dir: dir, OwnerPass: "bench", Sync: embedded.Sync{Every: time.Hour}, MaxPayload: publish.MaxPayload, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, nil, err
	}
	conn, err := server.Connect()
	if err != nil {
		server.Close()
	}
	return server, conn, err
}

// fill makes a data folder whose journal holds events, as a bridge leaves it whose remote was unreachable.
func fill(ctx context.Context, dir string, events int) error {
	server, conn, err := openEmbedded(ctx, dir)
	if err != nil {
		return err
	}
	defer server.Close()
	defer conn.Close()
	if _, _, err := conn.EnsureStream(ctx, publish.StreamConfig{
		Name: journal, Subjects: []string{journal + ".>"}, MaxBytes: journalBytes, Replicas: 1, Duplicates: 2 * time.Minute, DiscardNew: true, WorkQueue: true,
	}); err != nil {
		return err
	}
	js := conn.JetStream()
	for n := range events {
		msg := message(n)
		msg.Subject = journal + "." + msg.Subject
		msg.Header = nats.Header{
			"content-type": {"application/cloudevents+json"}, "crm-bridge-stream": {stream}, "crm-bridge-id": {id(n)}, nats.ExpectedStreamHdr: {journal},
		}
		if _, err := js.PublishMsgAsync(msg, jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-ctx.Done():
		return ctx.Err()
	}
	holds, err := conn.Streams(ctx)
	if err == nil && holds[journal] != uint64(events) {
		err = fmt.Errorf("the journal took %d of %d", holds[journal], events)
	}
	return err
}

func id(n int) string { return fmt.Sprintf("bench-%036d", n) }

// message is an event as the bridge publishes it to the remote.
func message(n int) *nats.Msg {
	record := fmt.Sprintf("5725767%012d", n)
	data := fmt.Appendf(nil, `{"specversion":"1.0","id":"%s","source":"https://www.zohoapis.com/crm/v2/Leads","type":"%s",`+
		`"subject":"%[3]s","datacontenttype":"application/json","dataschema":"urn:crm-bridge:schema:v1:zoho-notifications","time":"2024-06-11T14:25:53.625Z",`+
		`"data":{"provider":"zoho","account":"default","channel":"1000000068001","module":"Leads","operation":"edit","ids":["%[3]s"],"occurredAt":"2024-06-11T14:25:53.625Z",`+
		`"fields":{"%[3]s":["Mobile","Email","Lead_Status","City"]},"values":{"%[3]s":{"Mobile":"+49 151 23456789","Email":"ada.lovelace@example.com","Lead_Status":"Contacted","City":"Berlin"}},`+
		`"native":{"operation":"update","body":{"server_time":1718115953625,"affected_values":[{"record_id":"%[3]s","values":{"Mobile":"+49 151 23456789","Email":"ada.lovelace@example.com","Lead_Status":"Contacted","City":"Berlin"}}],`+
		`"query_params":{},"module":"Leads","resource_uri":"https://www.zohoapis.com/crm/v2/Leads","ids":["%[3]s"],"affected_fields":[{"%[3]s":["Mobile","Email","Lead_Status","City"]}],"operation":"update","channel_id":"1000000068001"}}},`+
		`"crmaccount":"default","crmchannel":"1000000068001","crmmodule":"Leads","crmoperation":"edit","crmorigin":"live","crmprovider":"zoho"}`, id(n), eventSubject, record)
	return &nats.Msg{
		Subject: eventSubject, Data: data,
		Header: nats.Header{"content-type": {"application/cloudevents+json"}, nats.ExpectedStreamHdr: {stream}, nats.MsgIdHdr: {id(n)}},
	}
}

// copyFolder copies what a bridge has in its data folder.
func copyFolder(from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	err := os.Chmod(to, 0o700) //nolint:gosec // a folder
	return errors.Join(err, os.RemoveAll(filepath.Join(to, "lock")))
}
