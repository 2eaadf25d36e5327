package floor

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Remote is a plain NATS server with JetStream. It serves until its standard input ends.
func Remote(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("remote", flag.ContinueOnError)
	dir := flags.String("dir", "", "folder of the streams")
	stream := flags.Bool("stream", false, "make the stream, for a program that does not")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := OpenNATS(*dir, false)
	if err != nil {
		return err
	}
	defer s.Shutdown()
	if *stream {
		conn, _, err := Connect(ctx, s, false)
		if err != nil {
			return err
		}
		conn.Close()
	}
	if err := announce("", s.ClientURL()); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// announce logs where a server listens, in the bridge's format.
func announce(callbacks, nats string) error {
	return json.NewEncoder(os.Stderr).Encode(map[string]string{"msg": "serving", "callbacks": callbacks, "nats": nats})
}

// OpenNATS starts a NATS server in this process.
func OpenNATS(dir string, always bool) (*server.Server, error) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir, SyncAlways: always, MaxPayload: 8 << 20,
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

// Connect connects to a NATS server in this process and makes the stream there.
func Connect(ctx context.Context, s *server.Server, overTCP bool) (*nats.Conn, jetstream.JetStream, error) {
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

// Block returns the path of a block of the stream, counted from 1, in the folder of its server.
func Block(dir string, number int) string {
	return filepath.Join(dir, "jetstream", "$G", "streams", "CRM", "msgs", strconv.Itoa(number)+".blk")
}
