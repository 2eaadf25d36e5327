// Package records keeps the records of CRMs beside the stream of their events: it reads events as they are stored, asks for the records
// that they name, and publishes each state of a record that is newer than the last. Nothing here knows a CRM, or how its API is called;
// callbacks are answered without it.
package records

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
	"github.com/crm-bridge/crm-bridge/publish"
)

// Keeper keeps the records of a CRM. Several replicas may run one each: they share its consumer. Set the fields once.
type Keeper struct {
	Provider string
	Modules  []string // whose records are kept
	Stream   string   // of events
	Prefix   string   // of their subjects
	Reach    func() (*publish.Conn, error)
	Table    *Table
	// Reader returns what reads the records of a module of an account; nil: they are not kept.
	Reader   func(account, module string) ingest.Reader
	Whole    WholeFunc    // nil: no change holds a whole record
	RecordID RecordIDFunc // nil: it is the id in the change
	// Clean removes from values that were read what must not be stored.
	Clean   func(account, module string, values json.RawMessage) (json.RawMessage, error)
	Metrics *Metrics
	Log     *slog.Logger

	mu    sync.Mutex
	lanes map[[2]string]*lane // by account and module
	busy  sync.WaitGroup

	forgotten forgotten
}

// consumer is the name of the durable consumer of a provider's events: one of the bridge's own.
func consumer(provider string) string { return publish.OwnConsumers + "records-" + provider }

// filters are the subjects of the events of the modules.
func (k *Keeper) filters() []string {
	var all []string
	for _, module := range k.Modules {
		all = append(all, strings.Join([]string{k.Prefix, k.Provider, module, "*"}, "."))
	}
	return all
}

// quietFor is how long reading may fail before it is said: a remote NATS is reached a moment after the start.
const quietFor = 5 * time.Second

// Run keeps records until ctx ends. What fails is tried again: an event is acknowledged when the states that it caused are safe.
func (k *Keeper) Run(ctx context.Context) {
	k.mu.Lock() // Kept may be asked already
	k.lanes = map[[2]string]*lane{}
	k.mu.Unlock()
	k.Metrics.Watch(k.Provider, k.waiting)
	said, since := "", time.Now()
	for wait := firstWait; ctx.Err() == nil; wait = min(2*wait, lastWait) {
		err := k.follow(ctx, func() { wait, said, since = firstWait, "", time.Now() })
		if text := fmt.Sprint(err); ctx.Err() == nil && text != said && time.Since(since) > quietFor {
			k.Log.Warn("records are not read now; events are not affected", "provider", k.Provider, "error", err)
			said = text
		}
		if retry.Sleep(ctx, wait) != nil {
			break
		}
	}
	k.busy.Wait()
}

// follow hands the events of the consumer to the lanes of their modules, until reading fails or ctx ends.
func (k *Keeper) follow(ctx context.Context, reads func()) error {
	conn, err := k.Reach()
	if err != nil {
		return err
	}
	if err := k.Table.ensure(ctx, conn); err != nil {
		return err
	}
	feed, err := conn.OpenFeed(ctx, k.Stream, consumer(k.Provider), k.filters(), true)
	if err != nil {
		return err
	}
	defer feed.Close()
	for {
		delivered, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		reads()
		one, err := readCause(delivered, k.Whole, k.RecordID)
		if err != nil {
			k.Metrics.left(k.Provider, "", "malformed", 1)
			k.Log.Error("an event does not say which records it is about", "sequence", delivered.Sequence, "error", err)
			delivered.Done()
			continue
		}
		k.hand(ctx, one)
	}
}

// hand gives a cause to the lane of its account and module.
func (k *Keeper) hand(ctx context.Context, one *cause) {
	reader := k.Reader(one.account, one.module)
	if len(one.ids) == 0 || reader == nil {
		one.delivered.Done()
		return
	}
	k.mu.Lock()
	key := [2]string{one.account, one.module}
	l := k.lanes[key]
	if l == nil {
		l = &lane{queue: make(chan *cause, laneQueue), busy: &k.busy, settler: &settler{
			provider: k.Provider, account: one.account, module: one.module,
			reach: k.Reach, table: k.Table, reader: reader, clean: k.Clean, metrics: k.Metrics, log: k.Log, forgotten: &k.forgotten,
		}}
		k.lanes[key] = l
	}
	k.mu.Unlock()
	l.take(ctx, one)
}

// waiting is how long the oldest event has waited for its records, and how many modules wait until the CRM can be asked again.
func (k *Keeper) waiting() (longest time.Duration, paused int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.lanes {
		lag, waits := l.waiting()
		longest = max(longest, lag)
		if waits {
			paused++
		}
	}
	return longest, paused
}
