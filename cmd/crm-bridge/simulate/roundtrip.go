package simulate

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
)

const (
	// testModule is the module of a test callback.
	testModule = "BridgeTest"
	// RoundtripTimeout is for both halves together: with a journal the event comes to the stream a moment after its answer.
	RoundtripTimeout = 15 * time.Second
	// readAgain is the pause after the stream could not be read, in which a NATS server may come back.
	readAgain = 200 * time.Millisecond
)

// Roundtrip sends a callback to a bridge and reads its event back.
type Roundtrip struct {
	URL      string // base URL of the bridge; empty: the one on this machine
	IfSecret bool   // without a secret that authenticates a callback Run sends none, and returns no error

	settings config.Settings
	client   *http.Client
}

// roundtripResult is what a roundtrip prints.
type roundtripResult struct {
	Kind     string  `json:"kind"`
	Subject  string  `json:"subject"`
	ID       string  `json:"id"`
	InMS     float64 `json:"inMs"`   // until the callback was answered 200
	BackMS   float64 `json:"backMs"` // from then until its event was read
	Stream   string  `json:"stream"`
	Sequence uint64  `json:"sequence"`
}

// Run sends a test callback, reads its event back from the stream, and prints how long both took.
func (r Roundtrip) Run(ctx context.Context, out io.Writer, asJSON bool) error {
	var all bridge.CRMs
	var err error
	env := &config.Environment{}
	if r.settings, all, err = client.Load(env); err != nil {
		return err
	}
	if r.URL == "" {
		r.URL = r.settings.CallbackURL()
	}
	if !IsHTTP(r.URL) {
		return fmt.Errorf("%w: --url must be a URL such as http://127.0.0.1:8080", terminal.ErrUsage)
	}
	if r.client, err = CallbackClient(r.settings, r.URL); err != nil {
		return err
	}
	crm, source, cb, err := testCallback(all)
	if r.IfSecret && errors.Is(err, errNoSecret) {
		if asJSON {
			return terminal.JSONEncoder(out).Encode(map[string]any{"sent": false, "reason": errNoSecret.Error()})
		}
		terminal.Say(out, "nothing was sent: %s\n", errNoSecret)
		return nil
	}
	if err != nil {
		return err
	}
	t := roundtripResult{Kind: source.Label(), Stream: r.settings.Stream}
	before := r.position(ctx)
	began := time.Now()
	ack, err := r.send(ctx, cb, source)
	if errors.Is(err, errRejected) {
		err = fmt.Errorf("%s: %w", publish.HideUser(r.URL), client.Rejected(client.UsedSecret(r.settings, env, crm, source, "")))
	}
	if err != nil {
		return fmt.Errorf("sending the test callback failed after %s: %w", since(began), err)
	}
	t.Subject, t.ID, t.InMS = ack.Subject, ack.ID, milliseconds(began)
	answered := time.Now()
	if t.Sequence, err = r.find(ctx, ack, before); err != nil {
		return fmt.Errorf("the test callback was answered in %.2f ms, but its event %s was not read from stream %s within %s: %w", t.InMS, t.ID, t.Stream, since(answered), err)
	}
	t.BackMS = milliseconds(answered)
	if asJSON {
		return terminal.JSONEncoder(out).Encode(t)
	}
	terminal.Say(out, "in    %8.2f ms  %s answered 200 to %s\n", t.InMS, publish.HideUser(r.URL), t.Kind)
	terminal.Say(out, "back  %8.2f ms  %s  stream %s sequence %d  id %s\n", t.BackMS, t.Subject, t.Stream, t.Sequence, t.ID)
	return nil
}

func since(start time.Time) time.Duration { return time.Since(start).Round(time.Millisecond) }

func milliseconds(start time.Time) float64 {
	return float64(time.Since(start).Microseconds()) / 1000
}

// testCallback is a callback about a record that no CRM has, with the proof of the first source that is configured.
func testCallback(all bridge.CRMs) (*ingest.CRM, ingest.Source, ingest.Callback, error) {
	id, err := rand.Int(rand.Reader, big.NewInt(9e17))
	if err != nil {
		return nil, nil, ingest.Callback{}, err
	}
	now := time.Now().UTC()
	change := ingest.Change{Module: testModule, Operation: "edit", IDs: []string{id.Add(id, big.NewInt(1e17)).String()}, OccurredAt: now, ReceivedAt: now}
	for _, crm := range all {
		for _, source := range crm.Sources {
			maker, ok := source.(ingest.Sampler)
			if !ok {
				continue
			}
			if cb, err := maker.Sample(change, ""); err == nil {
				cb.Source = source.Label()
				return crm, source, cb, nil
			}
		}
	}
	return nil, nil, ingest.Callback{}, fmt.Errorf("%w, so no callback can be authenticated: set %s as the bridge has it, or run it where BRIDGE_DATA_DIR is the folder of the running bridge", errNoSecret, bridge.Enumerate(all.Proofs(), "or"))
}

var (
	errNoSecret = errors.New("no source has a secret here")
	errRejected = errors.New("the callback was rejected")
	errFollowed = errors.New("the event was read") // ends the following
)

// send posts the callback, and returns where its event is stored.
func (r Roundtrip) send(ctx context.Context, cb ingest.Callback, source ingest.Source) (ingest.Ack, error) {
	request, err := asRequest(ctx, r.URL, cb, source, "")
	if err != nil {
		return ingest.Ack{}, err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return ingest.Ack{}, fmt.Errorf("%s does not answer: %w", publish.HideUser(r.URL), errors.Unwrap(err))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return ingest.Ack{}, fmt.Errorf("%s: %w", publish.HideUser(r.URL), err)
	}
	var answer struct {
		Events []ingest.Ack
		Detail string
	}
	err = json.Unmarshal(body, &answer)
	switch {
	case response.StatusCode == http.StatusUnauthorized && answer.Detail != "":
		return ingest.Ack{}, errRejected
	case response.StatusCode != http.StatusOK && answer.Detail != "":
		return ingest.Ack{}, fmt.Errorf("%s answers %s to %s: %s", publish.HideUser(r.URL), response.Status, cb.Source, answer.Detail)
	case response.StatusCode != http.StatusOK || err != nil || len(answer.Events) != 1:
		return ingest.Ack{}, fmt.Errorf("%s answers %s to %s, but not as crm-bridge does: is another program there?", publish.HideUser(r.URL), response.Status, cb.Source)
	}
	return answer.Events[0], nil
}

// position is the sequence behind which the event will stand; 0 where the stream does not say so soon.
func (r Roundtrip) position(ctx context.Context) uint64 {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/3)
		defer cancel()
	}
	conn, err := client.Reach(ctx, r.settings)
	if err != nil {
		return 0
	}
	defer conn.Close()
	last, err := conn.LastSequence(ctx, r.settings.Stream)
	if err != nil {
		return 0
	}
	return last
}

var errNotThere = errors.New("the stream was read and does not hold it")

// find returns the event's sequence once the stream holds it, or why it could not be read by the end of ctx.
func (r Roundtrip) find(ctx context.Context, ack ingest.Ack, behind uint64) (uint64, error) {
	reason := errNotThere
	for {
		sequence, err := r.read(ctx, ack, behind)
		if sequence > 0 {
			return sequence, nil
		}
		if err != nil && (ctx.Err() == nil || errors.Is(reason, errNotThere)) {
			reason = err // the end of ctx is a reason only where nothing else is known
		}
		select {
		case <-time.After(readAgain):
		case <-ctx.Done():
			return 0, reason
		}
	}
}

// read follows the stream until the event is there, and returns its sequence; 0 where ctx ends before, or the stream is lost.
func (r Roundtrip) read(ctx context.Context, ack ingest.Ack, behind uint64) (sequence uint64, err error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	var lost error
	follower := publish.Follower{
		Reach:  func(ctx context.Context) (*publish.Conn, error) { return client.Reach(ctx, r.settings) },
		Stream: r.settings.Stream, Subjects: []string{ack.Subject}, From: behind + 1,
		Lost: func(why error) {
			lost = why
			end()
		},
	}
	err = follower.Follow(ctx, func(m publish.Stored) error {
		if e, err := m.Event(); err == nil && e.ID() == ack.ID {
			sequence = m.Sequence
			return errFollowed
		}
		return nil // of another roundtrip
	})
	return sequence, cmp.Or(err, lost)
}
