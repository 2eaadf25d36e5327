package transfer_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/publish/transfer"
)

// A second copy to the same target is refused while the first is at work; after one that was killed, the next takes over.
func TestClaim(t *testing.T) {
	s := open(t)
	first, taken := s.copying(t), make(chan error, 1)
	release, err := first.Note.Claim(t.Context(), func(err error) { taken <- err })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.copying(t).Note.Claim(t.Context(), nil); !errors.Is(err, transfer.ErrRunning) {
		t.Errorf("the second: %v", err)
	}
	release()
	second := s.copying(t)
	release, err = second.Note.Claim(t.Context(), nil)
	if err != nil {
		t.Errorf("after the first has ended: %v", err)
	}
	release()
	second.Note.Run = "killed"
	if err := second.Note.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	release, err = s.copying(t).Note.Claim(t.Context(), nil)
	if err != nil {
		t.Fatalf("after one that was killed: %v", err)
	}
	release()
	if len(taken) > 0 {
		t.Error(<-taken)
	}
}

// Two copies that write at once, as if neither had a claim, leave neither a gap nor a duplicate.
func TestTwoAtOnce(t *testing.T) {
	s := open(t)
	fill(t, s.from, 3000)
	if _, err := s.run(t, func(r *transfer.Run) { r.Ended = false }); err != nil { // both know the source
		t.Fatal(err)
	}
	fillMore(t, s.from, 3000)
	ended := make(chan error, 2)
	for range 2 {
		conn, err := s.server.Connect()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		c := s.copying(t)
		c.To = conn
		go func() { ended <- c.Resume(t.Context(), streams()) }()
	}
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(held(t, s.from, "CRM"), held(t, s.to, "CRM")); diff != "" {
		t.Error(diff)
	}
}
