package simulate

import (
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// The bounds of what is kept to be shown, and of records.
const (
	mostTold    = 30
	mostEvents  = 30
	mostRecords = 200 // of a CRM, so that a demo that runs for weeks stays small
	fewRecords  = 3   // below which the traffic creates some
)

// play is what happens between the simulated CRMs and a bridge while a person watches.
type play struct {
	stage  *stage
	bridge *bridge.Bridge
	out    io.Writer
	every  time.Duration
	csrf   string // of the page's forms

	mu      sync.Mutex
	told    []told              // newest first
	events  []seen              // newest first
	records map[string][]string // ids, by provider, oldest first
}

// told is a sentence about what happened.
type told struct {
	At   time.Time
	Text string
}

// say prints what happened, and keeps it for the page.
func (p *play) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	now := time.Now()
	terminal.Say(p.out, "%s  %s\n", now.Format(time.TimeOnly), terminal.Visible(text))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = newest(p.told, told{now, text}, mostTold)
}

// newest returns a list with one more at its beginning, and at most so many.
func newest[of any](list []of, one of, most int) []of {
	list = append([]of{one}, list...)
	return list[:min(len(list), most)]
}

// count returns how many records a CRM has.
func (p *play) count(one *simulatedCRM) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.records[one.Provider])
}

// any returns one of a CRM's records; empty: there is none.
func (p *play) any(one *simulatedCRM) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := p.records[one.Provider]
	if len(ids) == 0 {
		return ""
	}
	return ids[mathrand.IntN(len(ids))] //nolint:gosec // any will do
}

// take removes the oldest record from those that can be changed; empty: there is none.
func (p *play) take(one *simulatedCRM) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := p.records[one.Provider]
	if len(ids) == 0 {
		return ""
	}
	p.records[one.Provider] = ids[1:]
	return ids[0]
}
