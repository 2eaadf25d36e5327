package status

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// mostRows bounds the rows of a table on the screen.
const mostRows = 10

// Show writes a report for a person. It fits a screen of 80 columns.
func Show(out io.Writer, r Report) error {
	s := screen{Page: terminal.NewPage(out), Report: r}
	s.verdict()
	s.facts()
	s.sources()
	s.channels()
	s.gaps()
	s.streams()
	s.records()
	s.consumers()
	return s.End()
}

// screen is a report on a page.
type screen struct {
	*terminal.Page
	Report
}

// verdict says whether the bridge is well, and what needs a person.
func (s *screen) verdict() {
	if len(s.Problems) == 0 {
		s.Good(fmt.Sprintf("crm-bridge %s is well: nothing needs a person", s.Version))
		return
	}
	s.Bad(fmt.Sprintf("crm-bridge %s: %s a person", s.Version, count(uint64(len(s.Problems)+s.MoreProblems), "problem needs", "problems need")))
	for i, one := range s.Problems {
		s.Text(fmt.Sprintf("%3d. ", i+1), one.What)
		s.Text("     where  ", one.Where)
		s.Text("     do     ", one.Fix)
	}
	if s.MoreProblems > 0 {
		s.Text("     ", fmt.Sprintf("and %s more, which are not listed", number(uint64(s.MoreProblems))))
	}
}

// facts are what has no table.
func (s *screen) facts() {
	s.Head("bridge")
	ready := "ready"
	if !s.Ready {
		ready = "not ready: " + s.Reason
	}
	s.Text("  readiness  ", ready+", running for "+span(s.At.Sub(s.Started)))
	s.Text("  durability ", s.Durability)
	if s.Journal != nil {
		s.Text("  remote     ", s.Remote+journalWords(s.Journal, s.At))
	}
	s.Text("  last hour  ", lastHour(s.Rates))
	if s.Quarantine != nil {
		s.Text("  quarantine ", shelf(*s.Quarantine, s.At))
	}
	if s.Refused != nil {
		s.Text("  refused    ", shelf(*s.Refused, s.At))
	}
	if s.Disk != nil {
		s.Text("  disk       ", fmt.Sprintf("%s of %s free", bytes(uint64(s.Disk.Free)), bytes(uint64(s.Disk.Total))))
	}
	for _, one := range s.Certificates {
		if one.Expires != nil {
			s.Text("  TLS        ", fmt.Sprintf("the certificate of %s expires %s", one.Variable, when(*one.Expires)))
		}
	}
	for _, one := range s.Unknown {
		s.Text("  unknown    ", one)
	}
}

func journalWords(j *Journal, now time.Time) string {
	switch {
	case j.Pending == nil:
		return "; what waits in the journal is not known"
	case *j.Pending == 0:
		return "; nothing waits in the journal"
	case j.Waits == nil:
		return "; " + count(*j.Pending, "event waits", "events wait")
	}
	return fmt.Sprintf("; %s, the oldest for %s", count(*j.Pending, "event waits", "events wait"), span(now.Sub(*j.Waits)))
}

func shelf(one Stream, now time.Time) string {
	switch {
	case one.Unknown != "":
		return "not known: " + one.Unknown
	case one.Messages == 0:
		return "empty"
	case one.Oldest == nil:
		return number(one.Messages)
	}
	return fmt.Sprintf("%s, %s, the oldest for %s", number(one.Messages), bytes(one.Bytes), span(now.Sub(*one.Oldest)))
}

// lastHour sums up the rates.
func lastHour(rates []Rate) string {
	if len(rates) == 0 {
		return "no minute is over yet"
	}
	var accepted, rejected float64
	var p50, p99 []float64
	for _, one := range rates {
		accepted, rejected = accepted+one.Accepted, rejected+one.Rejected
		if one.P50 != nil {
			p50, p99 = append(p50, *one.P50), append(p99, *one.P99)
		}
	}
	text := fmt.Sprintf("%.1f accepted/s, %.1f rejected/s", accepted/float64(len(rates)), rejected/float64(len(rates)))
	if len(p50) > 0 {
		slices.Sort(p50)
		text += fmt.Sprintf("; latency p50 %s, p99 %s", millis(p50[len(p50)/2]), millis(slices.Max(p99)))
	}
	return text
}

func millis(seconds float64) string { return fmt.Sprintf("%.1f ms", seconds*1000) }

// ago is how long ago something was; a dash where it never was.
func ago(at *time.Time, now time.Time) string {
	if at == nil {
		return "–"
	}
	return span(now.Sub(*at)) + " ago"
}

// table adds a section with the first rows of many; more is a command that shows all of them. The report leaves out so many.
func (s *screen) table(head, more string, headings []string, rows [][]string, leftOut int) {
	if len(rows) == 0 {
		return
	}
	s.Head(head)
	s.Table(headings, rows[:min(len(rows), mostRows)])
	if hidden := max(0, len(rows)-mostRows) + leftOut; hidden > 0 {
		s.Text("  ", fmt.Sprintf("and %s more: %s", number(uint64(hidden)), more))
	}
}

func (s *screen) sources() {
	var rows [][]string
	var without []string
	for _, one := range s.Sources {
		if !one.Secret && len(one.Outcomes) == 0 {
			without = append(without, one.Label)
			continue
		}
		rejected, last := uint64(0), "–"
		for outcome, n := range one.Outcomes {
			if outcome != "accepted" && outcome != "ignored" {
				rejected += n
			}
		}
		if len(one.Rejections) > 0 {
			last = fmt.Sprintf("%s: %s", ago(&one.Rejections[0].At, s.At), one.Rejections[0].Why)
		}
		rows = append(rows, []string{one.Label, ago(one.LastCallback, s.At), number(one.Outcomes["accepted"]), number(rejected), last})
	}
	s.table("sources", "crm-bridge status --json", []string{"source", "last callback", "accepted", "rejected", "last rejection"}, rows, 0)
	if len(without) > 0 {
		s.Text("  no secret: ", strings.Join(without, ", "))
	}
}

func (s *screen) channels() {
	var rows [][]string
	for _, one := range s.Channels {
		expires := "never"
		switch {
		case one.State != "active":
			expires = "–"
		case !one.Expires.IsZero():
			expires = "in " + span(one.Expires.Sub(s.At))
		}
		rows = append(rows, []string{one.Provider, one.Account, strings.Join(one.Modules, ","), one.State, expires, ago(one.LastCallback, s.At), ago(one.LastRepair, s.At)})
	}
	s.table("channels", "crm-bridge channels", []string{"crm", "account", "modules", "state", "expires", "last callback", "last repair"}, rows, s.MoreChannels)
}

func (s *screen) gaps() {
	var rows [][]string
	for _, one := range s.Gaps {
		rows = append(rows, []string{one.Provider, one.Account, strings.Join(one.Modules, ","), when(one.Since), span(one.Until.Sub(one.Since)), one.State, number(uint64(one.Records))})
	}
	s.table("gaps", "crm-bridge status --json", []string{"crm", "account", "modules", "from", "length", "state", "records"}, rows, s.MoreGaps)
}

func (s *screen) streams() {
	var rows [][]string
	for _, one := range s.Streams {
		limit := "none"
		if one.Limit > 0 {
			limit = bytes(uint64(one.Limit))
		}
		row := []string{one.Name, number(one.Messages), bytes(one.Bytes), limit, ago(one.Oldest, s.At), one.Full}
		if one.Unknown != "" {
			row = []string{one.Name, "–", "–", "–", "–", one.Unknown}
		}
		rows = append(rows, row)
	}
	s.table("streams", "crm-bridge status --json", []string{"stream", "messages", "bytes", "limit", "oldest", "at the limit"}, rows, 0)
	for _, one := range s.Streams {
		for _, difference := range one.Differences {
			s.Text("  ", difference)
		}
	}
}

func (s *screen) records() {
	var rows [][]string
	for _, one := range s.Records {
		state := "up to date"
		switch {
		case one.Problem != "":
			state = one.Problem
		case one.Lag >= 1:
			state = span(time.Duration(one.Lag*float64(time.Second))) + " behind"
		}
		rows = append(rows, []string{one.Provider, cmp.Or(one.Account, "–"), one.Module, number(one.Kept), state})
	}
	s.table("records", "crm-bridge status --json", []string{"crm", "account", "module", "states", "lag"}, rows, 0)
}

func (s *screen) consumers() {
	var rows [][]string
	for _, one := range s.Consumers {
		state := "reads"
		if one.PausedUntil != nil {
			state = "paused until " + when(*one.PausedUntil)
		}
		rows = append(rows, []string{one.Name, one.Stream, number(one.Lag), number(uint64(one.AckPending)), number(one.Dead), ago(one.AckFloor.At, s.At), state})
	}
	s.table("consumers", "crm-bridge consumers", []string{"consumer", "stream", "lag", "unacked", "gave up", "last ack", "state"}, rows, s.MoreConsumers)
}
