package terminal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Record shows the states of a record, oldest first, at least one: its fields as they are now, or that it is deleted, then what each
// state changed.
func (v *View) Record(states []publish.Stored) error {
	page := recordPage{colour: v.Colour, width: columns(v.Out)}
	page.now(readState(states[len(states)-1]))
	page.line("history:", faint)
	for _, stored := range states {
		page.state(readState(stored))
	}
	_, err := v.Out.Write(page.text.Bytes())
	return err
}

// recordState is a stored state of a record, as far as it is shown.
type recordState struct {
	Provider, Account, Module, ID, Operation, ChangedBy string

	ModifiedAt    time.Time
	Before, After json.RawMessage // objects; null: there is none
	Changed       []string
	Causes        []struct {
		ID       string
		Sequence uint64
	}

	stored publish.Stored
	err    error // it is not one
}

func readState(stored publish.Stored) recordState {
	s := recordState{stored: stored}
	e, err := stored.Event()
	if err == nil {
		err = json.Unmarshal(e.Data(), &s)
	}
	s.err = err
	return s
}

// when says when the record was changed, or when the state was stored where the CRM does not say.
func (s *recordState) when() string {
	return cmp.Or(s.ModifiedAt, s.stored.At).Local().Format(time.DateTime)
}

// who says who changed the record; empty: the CRM does not say.
func (s *recordState) who() string {
	if s.ChangedBy == "" {
		return ""
	}
	return "by " + Visible(s.ChangedBy)
}

// recordPage is the text about a record.
type recordPage struct {
	text   bytes.Buffer
	colour bool
	width  int // columns
}

func (p *recordPage) newLine() *eventLine { return &eventLine{colour: p.colour, width: p.width} }

func (p *recordPage) end(line *eventLine) { _ = line.write(&p.text) } // a buffer takes all

func (p *recordPage) line(text, colour string) {
	line := p.newLine()
	line.add(text, colour)
	p.end(line)
}

// now shows a record as it is.
func (p *recordPage) now(s recordState) {
	if s.err != nil {
		return // its line in the history says so
	}
	p.line(Visible(fmt.Sprintf("%s %s %s, account %s", s.Provider, s.Module, s.ID, s.Account)), noColour)
	head := p.newLine()
	if isObject(s.After) {
		head.add("last changed "+s.when(), faint)
	} else {
		head.add("deleted "+s.when(), red)
	}
	head.add(s.who(), faint)
	p.end(head)
	names, values := fieldsOf(s.After)
	width := widest(names)
	for _, name := range names {
		line := p.newLine()
		line.add("  "+padded(name, width), faint)
		line.add(cut(valueText(values[name]), max(line.width-line.used-2, shortRecord)), noColour)
		p.end(line)
	}
}

// state shows what a state changed, and which events caused it.
func (p *recordPage) state(s recordState) {
	head := p.newLine()
	if s.err != nil {
		head.add(fmt.Sprintf("#%d", s.stored.Sequence), faint)
		head.add(Visible(Plainly(s.err)), red)
		p.end(head)
		return
	}
	head.add(s.when(), faint)
	head.add(Visible(s.Operation), operationColour(s.Operation))
	head.add(fmt.Sprintf("#%d", s.stored.Sequence), faint)
	head.add(s.who(), noColour)
	p.end(head)
	if isObject(s.Before) {
		p.changes(s)
	}
	for _, cause := range s.Causes {
		p.line(fmt.Sprintf("  event #%d  %s", cause.Sequence, Visible(cause.ID)), faint)
	}
}

// changes shows each field that differs from the state before.
func (p *recordPage) changes(s recordState) {
	_, was := fieldsOf(s.Before)
	_, is := fieldsOf(s.After)
	width := widest(s.Changed)
	for _, name := range s.Changed {
		line := p.newLine()
		line.add("  "+padded(name, width), faint)
		room := max((line.width-line.used-7)/2, shortRecord)
		line.add(cut(valueText(was[name]), room), noColour)
		line.add("→", faint)
		line.add(cut(valueText(is[name]), room), noColour)
		p.end(line)
	}
}

// longName bounds the column of the names of fields.
const longName = 40

func widest(names []string) (width int) {
	for _, name := range names {
		width = max(width, utf8.RuneCountInString(Visible(name)))
	}
	return min(width, longName)
}

func padded(name string, width int) string {
	return fmt.Sprintf("%-*s", width, cut(Visible(name), longName))
}

// fieldsOf returns the names of a record's fields in their order, and their values.
func fieldsOf(record json.RawMessage) (names []string, values map[string]json.RawMessage) {
	values = map[string]json.RawMessage{}
	if !isObject(record) {
		return nil, values
	}
	decoder := json.NewDecoder(bytes.NewReader(record))
	_, _ = decoder.Token() // it was decoded before: there is no error
	for decoder.More() {
		var value json.RawMessage
		name, _ := decoder.Token()
		if decoder.Decode(&value) != nil {
			return names, values
		}
		text, _ := name.(string)
		names, values[text] = append(names, text), value
	}
	return names, values
}

func isObject(value json.RawMessage) bool { return bytes.HasPrefix(value, []byte("{")) }

// valueText returns a value for a person: a text without its quotes, and a dash where there is none.
func valueText(value json.RawMessage) string {
	var text string
	switch {
	case len(value) == 0 || string(value) == "null":
		return "–"
	case value[0] == '"' && json.Unmarshal(value, &text) == nil:
		return Visible(text)
	}
	var line bytes.Buffer
	if json.Compact(&line, value) != nil {
		return Visible(string(value))
	}
	return Visible(line.String())
}
