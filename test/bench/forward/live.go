package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// aloneFor is how long the load without a backlog is measured.
const aloneFor = 3 * time.Second

// behind is how many events may wait when a backlog is caught up: those under way.
const behind = 2000

// live sends callbacks to a bridge, first while it catches up on its journal, then without anything to catch up on.
func (m *measuring) live(ctx context.Context) (err error) {
	folder, url, end, err := m.stage(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	bridge, err := m.start(ctx, folder, url)
	if err != nil {
		return err
	}
	defer bridge.stop()
	l := &liveLoad{address: bridge.callbacks}
	ctx, stop := context.WithCancel(ctx)
	var senders sync.WaitGroup
	for range m.connections {
		senders.Go(func() { l.send(ctx) })
	}
	beside, err := m.watch(ctx, l, url, func(held uint64, answered int64, _ time.Duration) bool {
		return held+behind >= uint64(m.events)+uint64(answered)
	})
	alone, failed := m.watch(ctx, l, url, func(_ uint64, _ int64, took time.Duration) bool { return took >= aloneFor })
	stop()
	senders.Wait()
	if err = errors.Join(err, failed); err == nil && l.refused.Load() > 0 {
		err = fmt.Errorf("%d callbacks were not answered with 200", l.refused.Load())
	}
	m.beside, m.alone = append(m.beside, beside), append(m.alone, alone)
	return err
}

// catchUp bounds how long a backlog may take.
const catchUp = time.Minute

// watch measures until done.
func (m *measuring) watch(ctx context.Context, l *liveLoad, url string, done func(held uint64, answered int64, took time.Duration) bool) (liveMeasurement, error) {
	began := time.Now()
	first, err := look(ctx, url)
	if err != nil {
		return liveMeasurement{}, err
	}
	before := l.answered.Load()
	for {
		time.Sleep(lookEvery)
		answered := l.answered.Load()
		state, err := look(ctx, url)
		if err != nil {
			return liveMeasurement{}, err
		}
		took := time.Since(began)
		if took > catchUp {
			return liveMeasurement{}, fmt.Errorf("after %s the remote has %d events of %d", catchUp, state.Msgs, int64(m.events)+answered)
		}
		if done(state.Msgs, answered, took) {
			return liveMeasurement{float64(answered-before) / took.Seconds(), float64(state.Msgs-first.Msgs) / took.Seconds(), took}, nil
		}
	}
}

// liveLoad sends callbacks, one after the other on each connection.
type liveLoad struct {
	address                 string
	next, answered, refused atomic.Int64
}

func (l *liveLoad) send(ctx context.Context) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.address)
	if err != nil {
		l.refused.Add(1)
		return
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	answers := bufio.NewReader(conn)
	for ctx.Err() == nil {
		record := fmt.Sprintf("5725768%012d", l.next.Add(1))
		body := fmt.Sprintf(`{"server_time":1718115953625,"affected_values":[{"record_id":"%[1]s","values":{"Mobile":"+49 151 23456789","Email":"ada.lovelace@example.com",`+
			`"Lead_Status":"Contacted","City":"Berlin"}}],"query_params":{},"module":"Leads","resource_uri":"https://www.zohoapis.com/crm/v2/Leads","ids":["%[1]s"],`+
			`"affected_fields":[{"%[1]s":["Mobile","Email","Lead_Status","City"]}],"operation":"update","channel_id":"%s","token":"%s"}`, record, channel, token)
		request := fmt.Appendf(nil, "POST /zoho/notifications HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		if _, err := conn.Write(request); err != nil {
			return
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			return // the end of the load cuts connections
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			l.refused.Add(1)
		} else {
			l.answered.Add(1)
		}
	}
}
