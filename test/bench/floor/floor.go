// Package floor is what the bridge is compared with: the least that a program between HTTP and JetStream can do, and the least that a
// durable one must.
package floor

import (
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What becomes of a callback.
const (
	Subject = "crm.zoho.Leads.edit"
	source  = "https://www.zohoapis.com/crm/v2/Leads"
)

// Serve answers callbacks, and authenticates, checks, masks and logs nothing. It serves until its standard input ends.
func Serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	dir := flags.String("dir", "", "folder of the stream")
	always := flags.Bool("always", false, "the NATS server syncs each message before its acknowledgement")
	durable := flags.Bool("durable", false, "sync acknowledged messages in groups before their answers")
	overTCP := flags.Bool("tcp", false, "reach the NATS server over TCP")
	if err := flags.Parse(args); err != nil {
		return err
	}
	embedded, err := OpenNATS(*dir, *always)
	if err != nil {
		return err
	}
	defer embedded.Shutdown()
	conn, js, err := Connect(ctx, embedded, *overTCP)
	if err != nil {
		return err
	}
	defer conn.Close()
	handler := &least{js: js, started: time.Now().UnixNano()}
	if *durable {
		handler.commit = newCommitter(*dir)
		go handler.commit.run()
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	web := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	if err := announce("http://"+listener.Addr().String(), embedded.ClientURL()); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = web.Close()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// least answers a callback when its event is acknowledged, and synced if there is a committer.
type least struct {
	js      jetstream.JetStream
	commit  *committer
	started int64
	count   atomic.Int64
}

func (l *least) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	id := strconv.FormatInt(l.started, 36) + "-" + strconv.FormatInt(l.count.Add(1), 36)
	event := append(make([]byte, 0, len(body)+256), `{"specversion":"1.0","id":"`...)
	event = append(event, id...)
	event = append(event, `","source":"`+source+`","type":"`+Subject+`","time":"`...)
	event = time.Now().UTC().AppendFormat(event, time.RFC3339Nano)
	event = append(append(append(event, `","datacontenttype":"application/json","data":`...), body...), '}')
	future, err := l.js.PublishMsgAsync(&nats.Msg{Subject: Subject, Data: event})
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	select {
	case ack := <-future.Ok():
		if l.commit != nil {
			if err := l.commit.sync(); err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
		}
		answer := append(make([]byte, 0, 128), `{"events":[{"id":"`...)
		answer = append(append(answer, id...), `","subject":"`+Subject+`","stream":"CRM","sequence":`...)
		answer = append(strconv.AppendUint(answer, ack.Sequence, 10), `}]}`...)
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = w.Write(answer)
	case err = <-future.Err():
		w.Header().Set("X-Error", err.Error())
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}
