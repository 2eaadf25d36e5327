package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/test/bench/process"
)

const (
	statesStream = "CRM_RECORDS"
	// replaced is how many states newer ones replace, spread over all, before the bridge is killed: the index of its store is old then.
	replaced = 1000
)

// keeping are the variables of a bridge that keeps the records of deals, and whose CRM is unreachable.
var keeping = []string{
	"BRIDGE_ZOHO_RECORDS=Deals", "BRIDGE_ZOHO_TOKEN_SECRET=a-token-secret-of-this-measurement", "BRIDGE_RECORDS_MAX_BYTES=20GiB", "BRIDGE_STREAM_MAX_BYTES=1GiB", "BRIDGE_ZOHO_CLIENT_ID=none", "BRIDGE_ZOHO_CLIENT_SECRET=none-of-this-measurement",
	"BRIDGE_ZOHO_REFRESH_TOKEN=none-of-this-measurement", "BRIDGE_ZOHO_ACCOUNTS_URL=http://127.0.0.1:1", "BRIDGE_ZOHO_API_URL=http://127.0.0.1:1",
}

// state is the state of the n-th record, as small as a state is, on a subject of its own.
func state(n int) *nats.Msg {
	id := fmt.Sprintf("5725767%012d", n)
	return &nats.Msg{
		Subject: "crm-records.zoho.default.Deals." + id,
		Header:  nats.Header{"content-type": {"application/cloudevents+json"}},
		Data: fmt.Appendf(nil, `{"specversion":"1.0","id":"grow-%038d","source":"https://www.zohoapis.com/crm/v8/Deals","type":"crm.record.zoho.Deals","subject":"%[2]s",`+
			`"datacontenttype":"application/json","time":"2024-06-11T14:25:53Z","data":{"provider":"zoho","account":"default","module":"Deals","id":"%[2]s","operation":"snapshot",`+
			`"before":null,"after":{"id":"%[2]s","Stage":"Won"},"changed":["Stage","id"],"modifiedAt":"2024-06-11T14:25:53Z","causes":[{"id":"grow","sequence":1}]}}`, n, id),
	}
}

// states measures a bridge whose stream of records holds many subjects, each with one state.
func (p plan) states(ctx context.Context) (rows []row, err error) {
	data := filepath.Join(p.dir, fmt.Sprintf("states-%d", time.Now().UnixNano()))
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	b, err := p.start(ctx, data, keeping...) // it makes the streams
	if err != nil {
		return nil, err
	}
	if err := b.stop(); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := fillStates(ctx, data, p.records); err != nil {
		return nil, err
	}
	filled := time.Since(began)
	size, err := sizeOf(filepath.Join(data, "jetstream"))
	if err != nil {
		return nil, err
	}
	rows = []row{
		{fmt.Sprintf("%d states in the stream: filling it", p.records), []float64{filled.Seconds()}, 0, "s"},
		{"disk", []float64{mb(size)}, 0, "MB"},
	}
	for _, before := range []ending{endings[0], {endings[1].name, func(b *bridge) error { return p.replace(ctx, b) }}} {
		if b, err = p.start(ctx, data, keeping...); err != nil {
			return nil, err
		}
		if err := before.end(b); err != nil {
			return nil, err
		}
		if b, err = p.start(ctx, data, keeping...); err != nil {
			return nil, err
		}
		used, failed := process.UsageOf(b.cmd.Process.Pid)
		if err = errors.Join(failed, b.stop()); err != nil {
			return nil, err
		}
		rows = append(rows, row{fmt.Sprintf("%d states: start %s, until ready", p.records, before.name), []float64{b.took.Seconds()}, 0, "s"}, row{"CPU of it", []float64{used.CPU.Seconds()}, 0, "s"},
			row{"memory then", []float64{mb(b.atReady.resident)}, 0, "MB"}, row{"its peak by then", []float64{mb(b.atReady.peak)}, 0, "MB"})
	}
	return rows, nil
}

// fillStates fills the stream of records of a bridge that is stopped.
func fillStates(ctx context.Context, data string, n int) error {
	f, err := openFilling(data)
	if err != nil {
		return err
	}
	defer f.close()
	return put(ctx, f.js, statesStream, n, state)
}

// replace stores a newer state of some records, and kills the bridge.
func (p plan) replace(ctx context.Context, b *bridge) error {
	js, end, err := b.owner()
	if err != nil {
		return errors.Join(err, b.kill())
	}
	defer end()
	return errors.Join(put(ctx, js, statesStream, replaced, func(n int) *nats.Msg { return state(n * (p.records / replaced)) }), b.kill())
}

// sizeOf returns how many bytes the files of a folder have.
func sizeOf(folder string) (bytes int64, err error) {
	err = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}
