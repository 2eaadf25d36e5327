package e2e

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// books are what a job keeps: the ids of the events that it has seen, and what they led to, in one transaction. Here that is
// a file, which is replaced whole.
type books struct {
	file     string
	patience time.Duration
	poison   string // an event about this record can never be handled
	moody    string // an event about this one only at its second delivery

	mu         sync.Mutex
	Seen       map[string]bool
	Effects    []string // records, in the order in which their effects happened
	Aside      []string
	deliveries int
}

func openBooks(t *testing.T, file string) *books {
	t.Helper()
	b := &books{file: file, patience: time.Millisecond, Seen: map[string]bool{}}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, b)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return b
}

// once does what effect does, and remembers the id, both or neither; an id that it remembers it leaves alone.
func (b *books) once(id string, effect func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deliveries++
	if b.Seen[id] {
		return nil
	}
	if err := effect(); err != nil {
		return err
	}
	b.Seen[id] = true
	return b.commit()
}

func (b *books) commit() error {
	text, err := json.Marshal(b)
	if err == nil {
		err = os.WriteFile(b.file+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(b.file+".new", b.file)
	}
	return err
}

func (b *books) apply(e event.Event) error {
	if e.Subject() == b.poison {
		return errors.New("it makes no sense")
	}
	if e.Subject() == b.moody {
		b.moody = ""
		return errors.New("not now")
	}
	b.Effects = append(b.Effects, e.Subject())
	return nil
}

func (b *books) setAside(event []byte, _ error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Aside = append(b.Aside, string(event))
	return b.commit()
}

// effects returns what has happened so far.
func (b *books) effects() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.Effects)
}
