package store

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/disk"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
)

// journal keeps events in a local stream, from where they are forwarded to a remote NATS.
type journal struct {
	*local
	remote        *remote
	forwarder     *publish.Forwarder
	letters       *letters
	promise       string
	unfit         atomic.Pointer[error] // what has to be fixed in the remote's streams; nil: nothing
	hadQuarantine atomic.Bool           // the remote has had the stream of quarantined callbacks since the start
}

// openJournal opens the journal. The remote need not be reachable now; where it is, its streams must fit.
func openJournal(ctx context.Context, s *EventStore, c *streams, metrics *publish.Metrics) error {
	l, err := openLocal(ctx, c, embedded.Config{
		Dir: c.Server.Dir, OwnerPass: c.Server.OwnerPass, Sync: c.Server.Sync, Log: c.Log,
		MaxPayload: publish.MaxPayload, // it may hold what was taken under a larger limit of bodies
	})
	j := &journal{local: l, remote: &remote{streams: c}}
	s.mode = j
	if err != nil {
		return err
	}
	if err := j.wire(ctx, s, metrics); err != nil {
		return err
	}
	if err := j.checkRemote(ctx); err != nil {
		return err
	}
	return l.warnOfLeftovers(ctx, c.journalStream(), c.refusedStream())
}

// wire ensures the local streams, and leads events and quarantined callbacks into the journal, and from there to the
// remote.
func (j *journal) wire(ctx context.Context, s *EventStore, metrics *publish.Metrics) error {
	ctx, cancel := context.WithTimeout(ctx, streamsTimeout)
	defer cancel()
	stream, err := j.ensure(ctx, j.journal())
	if err != nil {
		return err
	}
	if _, err := j.ensure(ctx, j.Config.refused()); err != nil {
		return err
	}
	onward, aside, err := j.openCommitters(ctx, stream, j.refusedStream())
	if err != nil {
		return err
	}
	j.promise = describe(stream, j.serves.Dir, j.serves.Sync)
	s.publisher = &publish.Publisher{
		Conn: j.conn, Stream: j.Stream, Journal: stream.Name, Prefix: j.Prefix, Mode: j.Mode, MaxBytes: stream.MaxBytes, Metrics: metrics, Commit: onward.here, Window: j.window(),
	}
	journal := &publish.Journal{
		Conn: j.conn, Stream: stream.Name, Commit: onward.commit, MaxSettled: stream.MaxBytes / 8,
		Blocks: func(upto uint64) ([]uint64, error) { return disk.FirstSequences(j.serves.Dir, stream.Name, upto) },
	}
	s.Refused = &publish.Refused{
		Journal: journal, Shelf: publish.Shelf{Stream: j.refusedStream(), Reach: j.reach, CommitAll: aside.all}, Conn: j.conn, Commit: aside.commit,
	}
	j.forwarder = &publish.Forwarder{
		Journal: journal, Refused: s.Refused, Remote: j.Remote,
		Ensure: j.ensureRemote, Metrics: metrics, Log: j.Log,
	}
	j.letters = &letters{streams: j.streams, reach: j.forwarder.Reach}
	s.Consumers = j.letters.view()
	s.URL, s.Replica = publish.HideUser(j.Remote.URL), rand.Text()
	s.Quarantine = &publish.Quarantine{
		Shelf: publish.Shelf{Stream: j.quarantineStream(), Reach: j.forwarder.Reach}, Conn: j.conn, Journal: stream.Name, Prefix: j.Prefix, Commit: onward.commit,
	}
	registerPending(j.Registry, j.forwarder.Pending)
	return nil
}

// checkRemote returns an error if the remote NATS, where it can be reached, has streams that do not fit, or if what is
// configured to reach it cannot be right. The forwarder meets and logs every other error.
func (j *journal) checkRemote(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	conn, err := j.Remote.Reach(ctx, j.Log)
	if err == nil {
		defer conn.Close()
		_, err = j.ensureRemote(ctx, conn)
	}
	if j.remote.needsOperator(err) {
		return err
	}
	return nil
}

// ensureRemote ensures the remote's streams. Events do not wait for the stream of quarantined callbacks: where that
// cannot be used, what is for it is set aside.
func (j *journal) ensureRemote(ctx context.Context, conn *publish.Conn) (map[string]publish.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	events, err := j.remote.ensureEvents(ctx, conn)
	if err != nil {
		return nil, j.misfit(err)
	}
	quarantine, err := j.remote.ensureQuarantine(ctx, conn)
	switch {
	case errors.As(err, new(publish.MisfitError)):
		return nil, j.misfit(err)
	case err != nil:
		j.warnOnce("the remote's stream of quarantined callbacks cannot be used", "error", err)
		quarantine = publish.Stream{Name: j.quarantineStream(), Unusable: err}
		if !j.hadQuarantine.Load() && !publish.Temporary(err) && !errors.Is(err, context.DeadlineExceeded) {
			j.unfit.Store(&err)
		}
	default:
		j.hadQuarantine.Store(true)
		j.unfit.Store(nil)
	}
	return j.remote.seen(events, quarantine), nil
}

// misfit remembers, for ready, an error of the remote's streams that only a person can fix, and returns it.
func (j *journal) misfit(err error) error {
	if errors.As(err, new(publish.MisfitError)) {
		if old := j.unfit.Swap(&err); old == nil {
			j.Log.Error("the remote's streams do not fit: events wait in the journal until they do", "error", err)
		}
	}
	return err
}

func (j *journal) Durability() string { return j.promise + forwarded + j.remote.promised() }

func (j *journal) Reach() (*publish.Conn, error) { return j.forwarder.Reach() }

func (j *journal) Dial(ctx context.Context) (*publish.Conn, error) { return j.remote.Dial(ctx) }

// State is what the remote holds: replicas share it.
func (j *journal) State(context.Context) (*publish.Bucket, error) {
	return j.Config.State(j.Reach), nil
}

// Records is the stream of records on the remote.
func (j *journal) Records(ctx context.Context) (Records, error) { return j.remote.Records(ctx) }

func (j *journal) Status(ctx context.Context) Status {
	status := Status{Forwards: true}
	_, status.Interrupted = j.Reach()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if n, oldest, err := j.forwarder.Pending(ctx); err == nil {
		status.Pending, status.Oldest = &n, oldest
	}
	return status
}

func (j *journal) ready(ctx context.Context) error {
	if unfit := j.unfit.Load(); unfit != nil {
		return unusableError{*unfit}
	}
	return j.local.ready(ctx)
}

func (j *journal) Holdings(ctx context.Context) ([]Holding, error) {
	here := []Holding{
		{Stream: j.journalStream(), Here: true, Reach: j.reach, Erased: j.erased(j.journalStream(), Mixed), Settled: j.forwarder.Again},
		{Stream: j.refusedStream(), Here: true, Reach: j.reach, Erased: j.erased(j.refusedStream(), Mixed)},
	}
	left, err := j.leftovers(ctx, here)
	return slices.Concat(j.scrubbed(append(here, left...)), j.beside(j.Reach, serverSays), j.letters.holding(ctx, serverSays)), err
}

func (j *journal) OtherJournals(ctx context.Context) (own string, others []OtherJournal, err error) {
	if own, err = j.JournalID(); err == nil {
		others, err = otherJournals(ctx, j.Config.State(j.Reach), own)
	}
	return own, others, err
}

func (j *journal) start(ctx context.Context, lost func(error)) (end func(context.Context)) {
	stopForwarding := begin(ctx, j.forwarder.Run)
	stopLetters := begin(ctx, j.letters.run)
	stopNotes := begin(ctx, func(ctx context.Context) {
		repeat(ctx, j.Log, func(ctx context.Context) error { return j.note(ctx, false) })
	})
	stopWatch := begin(ctx, func(ctx context.Context) {
		lost(j.watch(ctx, []string{j.journalStream(), j.refusedStream()}, j.forwarder.Done))
	})
	return func(ctx context.Context) {
		stopLetters()
		stopNotes()
		j.forwardLast(ctx)
		stopForwarding()
		j.warnPending(context.WithoutCancel(ctx))
		stopWatch()
	}
}

// lastForward is how long the end of the bridge waits for the remote to take what is in the journal.
const lastForward = 5 * time.Second

// forwardLast lets the remote take what it can within a moment; the rest is forwarded after the next start on this folder.
func (j *journal) forwardLast(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastForward)
	defer cancel()
	j.forwarder.Empty(ctx)
	if err := j.note(context.WithoutCancel(ctx), true); err != nil {
		j.Log.Debug("the journal cannot be noted in the shared state", "error", err)
	}
}

// warnPending warns that the data folder must be kept while events wait in it.
func (j *journal) warnPending(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	switch n, _, err := j.forwarder.Pending(ctx); {
	case err != nil:
		j.Log.Warn("events may wait in the journal, whose state is unknown: keep this data folder, the next start on it forwards them", "folder", j.serves.Dir, "reason", err)
	case n > 0:
		j.Log.Warn("events wait in the journal: keep this data folder, the next start on it forwards them", "events", n, "folder", j.serves.Dir)
	}
}

// note notes how much waits in the journal, where the remote can be reached.
func (j *journal) note(ctx context.Context, closed bool) error {
	if _, err := j.Reach(); err != nil {
		return nil // the remote is unreachable
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	pending, _, err := j.forwarder.Pending(ctx)
	if err != nil {
		return err
	}
	id, err := j.JournalID()
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	return writeNote(ctx, j.Config.State(j.Reach), id, journalNote{host, j.serves.Dir, pending, closed})
}
