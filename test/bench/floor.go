package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// floor is the least that a program between HTTP and JetStream can do: it proves, checks, masks and logs nothing. It
// serves until its standard input ends.
func floor(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	dir := flags.String("dir", "", "folder of the stream")
	always := flags.Bool("always", false, "sync each message before its acknowledgement")
	overTCP := flags.Bool("tcp", false, "reach the NATS server over TCP")
	if err := flags.Parse(args); err != nil {
		return err
	}
	embedded, err := openNATS(*dir, *always)
	if err != nil {
		return err
	}
	defer embedded.Shutdown()
	conn, js, err := connect(ctx, embedded, *overTCP)
	if err != nil {
		return err
	}
	defer conn.Close()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	web := &http.Server{Handler: &least{js: js, started: time.Now().UnixNano()}, ReadHeaderTimeout: 5 * time.Second}
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

// least answers a callback when its event is acknowledged.
type least struct {
	js      jetstream.JetStream
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
	event = append(event, `","source":"`+eventSource+`","type":"`+eventSubject+`","time":"`...)
	event = time.Now().UTC().AppendFormat(event, time.RFC3339Nano)
	event = append(append(append(event, `","datacontenttype":"application/json","data":`...), body...), '}')
	future, err := l.js.PublishMsgAsync(&nats.Msg{Subject: eventSubject, Data: event})
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	select {
	case ack := <-future.Ok():
		answer := append(make([]byte, 0, 128), `{"events":[{"id":"`...)
		answer = append(append(answer, id...), `","subject":"`+eventSubject+`","stream":"CRM","sequence":`...)
		answer = append(strconv.AppendUint(answer, ack.Sequence, 10), `}]}`...)
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = w.Write(answer)
	case err = <-future.Err():
		w.Header().Set("X-Error", err.Error())
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// remote is a NATS server with JetStream alone, as it comes. It serves until its standard input ends.
func remote(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("remote", flag.ContinueOnError)
	dir := flags.String("dir", "", "folder of the streams")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := openNATS(*dir, false)
	if err != nil {
		return err
	}
	defer s.Shutdown()
	if err := announce("", s.ClientURL()); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// announce says where a server listens, in the words that the bridge has for it.
func announce(callbacks, nats string) error {
	return json.NewEncoder(os.Stderr).Encode(map[string]string{"msg": "serving", "callbacks": callbacks, "nats": nats})
}

// openNATS starts a NATS server in this process.
func openNATS(dir string, always bool) (*server.Server, error) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir, SyncAlways: always,
	})
	if err != nil {
		return nil, err
	}
	go s.Start()
	if !s.ReadyForConnections(10*time.Second) || !s.JetStreamEnabled() {
		s.Shutdown()
		return nil, fmt.Errorf("the NATS server on %s does not start", dir)
	}
	return s, nil
}

// connect connects to a NATS server in this process and makes the stream there.
func connect(ctx context.Context, s *server.Server, overTCP bool) (*nats.Conn, jetstream.JetStream, error) {
	options := []nats.Option{nats.InProcessServer(s)}
	if overTCP {
		options = nil
	}
	conn, err := nats.Connect(s.ClientURL(), options...)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(16384))
	if err == nil {
		_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}})
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, js, nil
}
