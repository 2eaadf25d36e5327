package terminal

import (
	"bytes"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Record shows the states of a record, oldest first, at least one: its fields as they are now, or that it is deleted, then what each
// state changed.
func (v *View) Record(states []publish.Stored) error {
	page := recordPage{colour: v.Colour, width: columns(v.Out)}
	page.now(ReadState(states[len(states)-1]))
	page.line("history:", faint)
	for _, stored := range states {
		page.state(ReadState(stored))
	}
	_, err := v.Out.Write(page.text.Bytes())
	return err
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
func (p *recordPage) now(s RecordState) {
	if s.Err != nil {
		return // its line in the history says so
	}
	p.line(Visible(fmt.Sprintf("%s %s %s, account %s", s.Provider, s.Module, s.ID, s.Account)), noColour)
	head := p.newLine()
	if !s.Deleted() {
		head.add("last changed "+s.ChangedAt().Local().Format(time.DateTime), faint)
	} else {
		head.add("deleted "+s.ChangedAt().Local().Format(time.DateTime), red)
	}
	head.add(byWhom(s), faint)
	p.end(head)
	fields := s.Fields()
	width := widest(fields)
	for _, field := range fields {
		line := p.newLine()
		line.add("  "+padded(field.Name, width), faint)
		line.add(cut(field.Is, max(line.width-line.used-2, shortRecord)), noColour)
		p.end(line)
	}
}

// state shows what a state changed, and which events caused it.
func (p *recordPage) state(s RecordState) {
	head := p.newLine()
	if s.Err != nil {
		head.add(fmt.Sprintf("#%d", s.Stored.Sequence), faint)
		head.add(Visible(Plainly(s.Err)), red)
		p.end(head)
		return
	}
	head.add(s.ChangedAt().Local().Format(time.DateTime), faint)
	head.add(Visible(s.Operation), operationColour(s.Operation))
	head.add(fmt.Sprintf("#%d", s.Stored.Sequence), faint)
	head.add(byWhom(s), noColour)
	p.end(head)
	if isObject(s.Before) {
		p.changes(s.Changes())
	}
	for _, cause := range s.Causes {
		p.line(fmt.Sprintf("  event #%d  %s", cause.Sequence, Visible(cause.ID)), faint)
	}
}

// changes shows each field that differs from the state before.
func (p *recordPage) changes(fields []Field) {
	width := widest(fields)
	for _, field := range fields {
		line := p.newLine()
		line.add("  "+padded(field.Name, width), faint)
		room := max((line.width-line.used-7)/2, shortRecord)
		line.add(cut(field.Was, room), noColour)
		line.add("→", faint)
		line.add(cut(field.Is, room), noColour)
		p.end(line)
	}
}

// byWhom says who changed the record; empty: the CRM does not say.
func byWhom(s RecordState) string {
	if s.ChangedBy == "" {
		return ""
	}
	return "by " + Visible(s.ChangedBy)
}

// longName bounds the column of the names of fields.
const longName = 40

func widest(fields []Field) (width int) {
	for _, field := range fields {
		width = max(width, utf8.RuneCountInString(field.Name))
	}
	return min(width, longName)
}

func padded(name string, width int) string {
	return fmt.Sprintf("%-*s", width, cut(name, longName))
}
