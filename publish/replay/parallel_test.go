package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// receiver is an endpoint that is slow and fails at random. It notes the events that it takes.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	taken   []string // ids, in the order of its answers
	now     int      // requests under way
	most    int
	refuses string // the id of an event that it rejects permanently
}

func openReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		_, _ = io.Copy(io.Discard, request.Body)
		r.mu.Lock()
		r.now++
		r.most = max(r.most, r.now)
		r.mu.Unlock()
		time.Sleep(rand.N(3 * time.Millisecond)) // a slow receiver
		r.mu.Lock()
		defer r.mu.Unlock()
		r.now--
		switch id := request.Header.Get("Ce-Id"); {
		case id == r.refuses:
			w.WriteHeader(http.StatusBadRequest)
		case rand.N(50) == 0: // a failing receiver
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			r.taken = append(r.taken, id)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// ids returns the ids of the events that were taken so far.
func (r *receiver) ids() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.taken)
}

// parallelEvent is the event of a sequence; its id names its records and the sequence.
func parallelEvent(t *testing.T, sequence uint64, records ...string) publish.Stored {
	t.Helper()
	data, err := json.Marshal(map[string]any{"provider": "acme", "account": "default", "module": "Deals", "ids": records})
	if err != nil {
		t.Fatal(err)
	}
	return publish.Stored{
		Subject: "crm.acme.Deals.edit", Sequence: sequence, Data: data,
		Header: map[string][]string{
			"content-type": {"application/json"}, "ce-specversion": {"1.0"}, "ce-id": {fmt.Sprintf("%s:%d", strings.Join(records, "+"), sequence)},
			"ce-type": {"crm.acme.Deals.edit"}, "ce-source": {"https://acme.example/Deals"},
		},
	}
}

// parallelEvents are events about few records, of which some name two and some none.
func parallelEvents(t *testing.T, n int) (all []publish.Stored) {
	t.Helper()
	for sequence := uint64(1); sequence <= uint64(n); sequence++ {
		records := []string{fmt.Sprint("r", rand.N(12))} // a record
		switch rand.N(8) {                               // a kind of event
		case 0:
			records = append(records, fmt.Sprint("r", rand.N(12))) // it may be the same
		case 1:
			records = nil
		}
		all = append(all, parallelEvent(t, sequence, records...))
	}
	return all
}

// expectOrder fails unless the first time that each event was taken comes after those of all earlier events of its records.
func (r *receiver) expectOrder(t *testing.T) {
	t.Helper()
	last, seen := map[string]uint64{}, map[string]bool{}
	for _, id := range r.ids() {
		if seen[id] {
			continue
		}
		seen[id] = true
		records, number, _ := strings.Cut(id, ":")
		var sequence uint64
		_, _ = fmt.Sscan(number, &sequence)
		for _, record := range slices.Compact(strings.Split(records, "+")) {
			if sequence < last[record] {
				t.Errorf("event %d of record %q was taken after %d", sequence, record, last[record])
			}
			last[record] = sequence
		}
	}
}

// lackOf returns which events up to a sequence were never taken.
func (r *receiver) lackOf(all []publish.Stored) (lack []uint64) {
	taken := r.ids()
	for _, m := range all {
		if !slices.Contains(taken, m.Header["ce-id"][0]) {
			lack = append(lack, m.Sequence)
		}
	}
	return lack
}

// deliver is a run that dies after some events, without another save; it returns the job as it was last saved.
func deliver(ctx context.Context, to Target, store JobStore, job *Job, all []publish.Stored, dies int) (*Job, error) {
	r := &Run{Target: to, Job: job}
	job.Store = store
	if err := to.Begin(ctx, job.At, 0); err != nil {
		return nil, err
	}
	for _, m := range all[job.At:] {
		if dies--; dies == 0 {
			return Load(ctx, store, job.Name)
		}
		if err := r.one(ctx, ctx, m); err != nil {
			return nil, err
		}
	}
	if err := r.flush(ctx); err != nil {
		return nil, err
	}
	return job, r.save(ctx)
}

// Several posts at once reach a slow receiver that fails at random: the events of each record in order, every event at least once, and
// few again after a run that was killed, because what is saved is never beyond an event that was not taken.
func TestParallelPostsKeepTheOrderOfRecords(t *testing.T) {
	const parallel = 8
	to, all, store := openReceiver(t), parallelEvents(t, 1500), &memory{}
	job := &Job{Name: "one", First: 1, Last: uint64(len(all))}
	if err := job.claimFirst(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	runs := 0
	for _, dies := range []int{400, 500, 0} {
		runs++
		ctx, kill := context.WithCancel(t.Context())
		endpoint := &Endpoint{URL: to.URL, Mode: publish.Binary, Patience: time.Minute, Parallel: parallel}
		var err error
		if job, err = deliver(ctx, endpoint, store, job, all, dies); err != nil {
			t.Fatal(err)
		}
		if to.mu.Lock(); to.most < 2 || runs == 1 && to.most > parallel {
			t.Errorf("%d posts were under way at once", to.most)
		}
		to.mu.Unlock()
		kill()
		endpoint.posting.work.Wait()
		if lack := to.lackOf(all[:job.At]); len(lack) > 0 {
			t.Fatalf("saved at %d, but %v were not taken", job.At, lack)
		}
	}
	if lack := to.lackOf(all); len(lack) > 0 {
		t.Errorf("never taken: %v", lack)
	}
	to.expectOrder(t)
	if again := len(to.ids()) - len(all); again > (runs-1)*24*parallel {
		t.Errorf("%d events were posted again", again)
	}
}

// An event that is rejected permanently ends the run before any later event of its record is posted; what is saved is before it.
func TestParallelPostsStopAtARejectedEvent(t *testing.T) {
	to := openReceiver(t)
	var all []publish.Stored
	for sequence := uint64(1); sequence <= 200; sequence++ {
		all = append(all, parallelEvent(t, sequence, fmt.Sprint("r", sequence%5)))
	}
	to.refuses = "r0:100"
	store := &memory{}
	job := &Job{Name: "one", First: 1, Last: 200}
	if err := job.claimFirst(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	r := &Run{Target: &Endpoint{URL: to.URL, Mode: publish.Binary, Patience: time.Minute, Parallel: 4}, Job: job}
	_, err := deliver(t.Context(), r.Target, store, job, all, 0)
	if refused := (RefusedError{}); !errors.As(err, &refused) || refused.Sequence != 100 {
		t.Fatal(err)
	}
	if err := r.end(t.Context(), err); !errors.As(err, new(RefusedError)) {
		t.Error(err)
	}
	saved, err := Load(t.Context(), store, "one")
	if err != nil || saved.At >= 100 {
		t.Errorf("saved at %d: %v", saved.At, err)
	}
	for _, id := range to.ids() {
		if strings.HasPrefix(id, "r0:1") && len(id) == len("r0:100") {
			t.Errorf("%s was posted although an earlier event of its record was rejected", id)
		}
	}
	to.expectOrder(t)
}

// claimFirst saves a job that has not begun.
func (j *Job) claimFirst(ctx context.Context, store JobStore) error {
	j.Store = store
	return j.Claim(ctx)
}
