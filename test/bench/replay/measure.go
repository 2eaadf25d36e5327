package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// measurement is what one reading of the whole stream took.
type measurement struct {
	rate  float64 // events a second, from the start of the process to its end
	bytes int64   // that came out of it
	peak  int64   // resident memory, in bytes, as it was seen a moment before the end
}

// results are those of a run, round by round.
type results struct {
	events       int
	size         int // of an event
	replay, bare []measurement
}

func measure(ctx context.Context, program, store string, events, rounds int) (*results, error) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: store})
	if err != nil {
		return nil, err
	}
	go s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10*time.Second) || !s.JetStreamEnabled() {
		return nil, errors.New("the NATS server does not start")
	}
	r := &results{events: events, size: len(event(0))}
	if err := fill(ctx, s.ClientURL(), events); err != nil {
		return nil, fmt.Errorf("fill the stream: %w", err)
	}
	own, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for round := range rounds {
		turns := []func() error{
			func() error {
				m, err := read(ctx, events, exec.CommandContext(ctx, program, "replay", "--to", "stdout"), "BRIDGE_NATS_URL="+s.ClientURL())
				r.replay = append(r.replay, m)
				return err
			},
			func() error {
				m, err := read(ctx, events, exec.CommandContext(ctx, own, bareCommand, s.ClientURL()), "")
				r.bare = append(r.bare, m)
				return err
			},
		}
		if round%2 == 1 {
			turns[0], turns[1] = turns[1], turns[0]
		}
		for _, turn := range turns {
			if err := turn(); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// event is one as the bridge stores it of a callback about four changed fields.
func event(n int) []byte {
	record := fmt.Sprintf("5725767%012d", n)
	return fmt.Appendf(nil, `{"specversion":"1.0","id":"bench-%036d","source":"https://www.acmeapis.com/crm/v2/Deals","type":"crm.acme.Deals.edit",`+
		`"subject":"%[2]s","datacontenttype":"application/json","dataschema":"urn:crm-bridge:schema:v1:acme-notifications","time":"2024-06-11T14:25:53.625Z",`+
		`"data":{"provider":"acme","account":"default","channel":"1000000068001","module":"Deals","operation":"edit","ids":["%[2]s"],"occurredAt":"2024-06-11T14:25:53.625Z",`+
		`"fields":{"%[2]s":["Mobile","Email","Lead_Status","City"]},"values":{"%[2]s":{"Mobile":"+49 151 23456789","Email":"ada.lovelace@example.com","Lead_Status":"Contacted","City":"Berlin"}},`+
		`"native":{"operation":"update","body":{"server_time":1718115953625,"affected_values":[{"record_id":"%[2]s","values":{"Mobile":"+49 151 23456789","Email":"ada.lovelace@example.com","Lead_Status":"Contacted","City":"Berlin"}}],`+
		`"query_params":{},"module":"Deals","resource_uri":"https://www.acmeapis.com/crm/v2/Deals","ids":["%[2]s"],"affected_fields":[{"%[2]s":["Mobile","Email","Lead_Status","City"]}],"operation":"update","channel_id":"1000000068001"}}},`+
		`"crmaccount":"default","crmchannel":"1000000068001","crmmodule":"Deals","crmoperation":"edit","crmorigin":"live","crmprovider":"acme"}`, n, record)
}

func fill(ctx context.Context, url string, events int) error {
	conn, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		return err
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}}); err != nil {
		return err
	}
	for n := range events {
		msg := &nats.Msg{Subject: "crm.acme.Deals.edit", Data: event(n), Header: nats.Header{"content-type": {"application/cloudevents+json"}}}
		if _, err := js.PublishMsgAsync(msg, jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-ctx.Done():
		return ctx.Err()
	}
	stream, err := js.Stream(ctx, "CRM")
	if err == nil && stream.CachedInfo().State.Msgs != uint64(events) {
		err = fmt.Errorf("the stream took %d of %d", stream.CachedInfo().State.Msgs, events)
	}
	return err
}

// read runs a process that writes a line for each event, or that says how many it has counted.
func read(ctx context.Context, events int, cmd *exec.Cmd, env string) (measurement, error) {
	if err := ctx.Err(); err != nil {
		return measurement{}, err
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if cmd.Env = os.Environ(); env != "" {
		cmd.Env = append(cmd.Env, env)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return measurement{}, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return measurement{}, err
	}
	lines, size := 0, int64(0)
	piece := make([]byte, 1<<20)
	var last []byte
	var peak int64
	looked := began
	for {
		if now := time.Now(); now.Sub(looked) > 50*time.Millisecond {
			peak, looked = max(peak, peakOf(cmd.Process.Pid)), now
		}
		n, err := out.Read(piece)
		lines += bytes.Count(piece[:n], []byte{'\n'})
		size += int64(n)
		if n > 0 {
			last = append(last[:0], piece[:min(n, 200)]...)
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return measurement{}, errors.Join(err, cmd.Wait())
		}
	}
	if err := cmd.Wait(); err != nil {
		return measurement{}, fmt.Errorf("%s: %w: %s", cmd.Path, err, errs.String())
	}
	took := time.Since(began)
	var all counted
	if lines == 1 && json.Unmarshal(last, &all) == nil && all.Events > 0 {
		lines, peak = all.Events, all.Peak
	}
	if lines != events {
		return measurement{}, fmt.Errorf("%s read %d of %d events: %s", cmd.Path, lines, events, errs.String())
	}
	return measurement{rate: float64(events) / took.Seconds(), bytes: size, peak: peak}, nil
}
