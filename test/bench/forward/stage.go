package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// measurement is one way of bringing all events to the remote.
type measurement struct {
	rate float64       // events a second, from the first to the last that the remote stored
	cpu  time.Duration // of the publishing process for each event
}

// liveMeasurement is what a bridge does under load.
type liveMeasurement struct {
	answers   float64 // callbacks that it answers a second
	forwarded float64 // events that reach the remote a second
	took      time.Duration
}

// measuring is a run, with its results round by round.
type measuring struct {
	program, dir string
	events       int
	connections  int

	bridge, memory, pull []measurement
	beside, alone        []liveMeasurement
}

// filled is the data folder whose journal is filled.
func (m *measuring) filled() string { return filepath.Join(m.dir, "filled") }

// stage starts a remote and copies the journal.
func (m *measuring) stage(ctx context.Context) (folder, url string, end func() error, err error) {
	work, err := os.MkdirTemp(m.dir, "round-")
	if err != nil {
		return "", "", nil, err
	}
	folder = filepath.Join(work, "data")
	if err := copyFolder(m.filled(), folder); err != nil {
		return "", "", nil, err
	}
	url, stop, err := startRemote(ctx, filepath.Join(work, "remote"))
	if err != nil {
		return "", "", nil, err
	}
	return folder, url, func() error {
		stop()
		return os.RemoveAll(work)
	}, nil
}

// lookEvery is how often the remote's stream is looked at: rarely enough to cost nothing.
const lookEvery = 100 * time.Millisecond

// look returns the state of the remote's stream; an empty one while there is none.
func look(ctx context.Context, url string) (state jetstream.StreamState, err error) {
	conn, err := nats.Connect(url)
	if err != nil {
		return state, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return state, err
	}
	held, err := js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return state, nil
	} else if err != nil {
		return state, err
	}
	return held.CachedInfo().State, nil
}
