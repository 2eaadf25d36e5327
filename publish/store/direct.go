package store

import (
	"context"
	"crypto/rand"
	"sync/atomic"

	"github.com/crm-bridge/crm-bridge/publish"
)

// direct has a remote NATS acknowledge events itself.
type direct struct {
	*remote
	conn      *publish.Conn
	upkeep    *publish.Upkeep
	letters   *letters
	elsewhere atomic.Pointer[[]string] // journals of other folders that hold events
}

// openDirect connects to the remote, which need not be reachable now: until it is, nothing can be stored. Where it is, its
// streams must fit.
func openDirect(ctx context.Context, s *EventStore, c *streams, metrics *publish.Metrics) error {
	conn, err := c.Remote.Await(c.Log)
	if err != nil {
		return err
	}
	d := &direct{remote: &remote{streams: c}, conn: conn}
	s.mode = d
	d.letters = &letters{streams: c, reach: d.Reach}
	s.Consumers = d.letters.view()
	d.upkeep = &publish.Upkeep{Conn: conn, Ensure: d.ensure, Log: c.Log}
	s.publisher = &publish.Publisher{
		Conn: conn, Stream: c.Stream, Prefix: c.Prefix, Mode: c.Mode, AllIDs: true, Metrics: metrics, Upkeep: d.upkeep,
	}
	s.URL, s.Replica = publish.HideUser(c.Remote.URL), rand.Text()
	s.Quarantine = &publish.Quarantine{
		Shelf: publish.Shelf{Stream: c.quarantineStream(), Reach: d.Reach}, Conn: conn, Prefix: c.Prefix, Upkeep: d.upkeep,
	}
	for _, journal := range d.leftJournals() {
		c.Log.Error(journal)
	}
	if err := d.upkeep.Start(ctx); d.needsOperator(err) {
		return err
	}
	return nil
}

// ensure ensures the remote's streams.
func (d *direct) ensure(ctx context.Context, conn *publish.Conn) (map[string]publish.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	events, err := d.ensureEvents(ctx, conn)
	if err != nil {
		return nil, err
	}
	quarantine, err := d.ensureQuarantine(ctx, conn)
	if err != nil {
		return nil, err
	}
	return d.seen(events, quarantine), nil
}

// leftJournals names each journal in the data folder, and those that others have noted, whose events are not forwarded.
func (d *direct) leftJournals() []string {
	said := leftIn(d.Server.Dir)
	if elsewhere := d.elsewhere.Load(); elsewhere != nil {
		said = append(said, *elsewhere...)
	}
	return said
}

// readNotes remembers, and says once, which journals of other bridges hold events that are not forwarded now.
func (d *direct) readNotes(ctx context.Context) error {
	waiting, err := readNotes(ctx, d.Config.State(d.Reach))
	if err != nil {
		return err
	}
	for _, says := range waiting {
		if d.first(says) {
			d.Log.Error(says)
		}
	}
	d.elsewhere.Store(&waiting)
	return nil
}

func (d *direct) Durability() string { return acknowledged + d.promised() }

func (d *direct) Reach() (*publish.Conn, error) { return d.conn, d.conn.Up() }

func (d *direct) Status(context.Context) Status { return Status{Warnings: d.leftJournals()} }

func (d *direct) State(context.Context) (*publish.Bucket, error) { return d.Config.State(d.Reach), nil }

func (d *direct) broken() error { return nil }

func (d *direct) ready(context.Context) error { return nil }

func (d *direct) Holdings(ctx context.Context) ([]Holding, error) {
	return append(d.beside(d.Reach, serverSays), d.letters.holding(ctx, serverSays)...), nil
}

func (d *direct) OtherJournals(ctx context.Context) (string, []OtherJournal, error) {
	others, err := otherJournals(ctx, d.Config.State(d.Reach), "")
	return "", others, err
}

func (d *direct) start(ctx context.Context, _ func(error)) (end func(context.Context)) {
	stopUpkeep := begin(ctx, d.upkeep.Run)
	stopNotes := begin(ctx, func(ctx context.Context) { repeat(ctx, d.Log, d.readNotes) })
	stopLetters := begin(ctx, d.letters.run)
	return func(context.Context) {
		stopLetters()
		stopNotes()
		stopUpkeep()
	}
}

func (d *direct) close() { d.conn.Close() }
