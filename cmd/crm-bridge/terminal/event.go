package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
)

// View shows events. Nothing that an event holds reaches a terminal as a command to it.
type View struct {
	Out    io.Writer
	Colour bool
}

func lineOf(e publish.Stored) []byte {
	line, _ := e.AppendLine(nil, Plainly) // the error is in the line
	return VisibleJSON(line)
}

// JSON shows all of an event on one line.
func (v *View) JSON(e publish.Stored) error {
	_, err := v.Out.Write(lineOf(e))
	return err
}

// nameOfMember is where an indented line of JSON names a member.
var nameOfMember = regexp.MustCompile(`(?m)^( *)("(?:[^"\\]|\\.)*")(: )`)

// Pretty shows all of an event, indented.
func (v *View) Pretty(e publish.Stored) error {
	var text bytes.Buffer
	if err := json.Indent(&text, lineOf(e), "", "  "); err != nil {
		return err
	}
	shown := text.Bytes()
	if v.Colour {
		shown = nameOfMember.ReplaceAll(shown, []byte("$1"+paint("$2", cyan)+"$3"))
	}
	_, err := v.Out.Write(shown)
	return err
}

// Line shows an event on one line that a person can read: when, what, where in the stream, which records and which of
// their fields. It is as wide as the terminal, and shortens what does not fit.
func (v *View) Line(e publish.Stored) error {
	at := e.At.Local()
	clock := at.Format("15:04:05.000")
	if at.Format(time.DateOnly) != time.Now().Format(time.DateOnly) {
		clock = at.Format("01-02 15:04:05")
	}
	line := eventLine{colour: v.Colour, width: columns(v.Out)}
	line.add(clock, faint)
	line.add(fmt.Sprintf("%-24s", Visible(e.Subject)), operationColour(e.Subject[strings.LastIndex(e.Subject, ".")+1:]))
	line.add(fmt.Sprintf("#%d", e.Sequence), faint)
	event, err := e.Event()
	if err != nil {
		line.add(Visible(Plainly(err)), red)
		return line.write(v.Out)
	}
	room := 2 + shortID
	origin, _ := event.Extensions()["crmorigin"].(string)
	if origin = Visible(origin); origin == string(ingest.Live) {
		origin = ""
	} else {
		room += 2 + utf8.RuneCountInString(origin)
	}
	line.add(cut(about(event.Data()), max(line.width-line.used-2-room, shortRecord)), noColour)
	line.add(origin, magenta)
	id := Visible(event.ID())
	if rest := line.width - line.used - 2; utf8.RuneCountInString(id) > rest {
		id = cut(id, shortID)
	}
	line.add(id, faint)
	return line.write(v.Out)
}

// The least that is shown, in columns: of an id enough to find the whole one by, of what the event is about a record's id.
const (
	shortID     = 14
	shortRecord = 20
)

// about says in a few words which records an event is about, and which of their fields.
func about(data []byte) string {
	var named struct {
		IDs    []string
		Fields map[string][]string
	}
	if json.Unmarshal(data, &named) != nil || len(named.IDs) == 0 {
		return ""
	}
	text := some(named.IDs, 2)
	for _, id := range named.IDs {
		if fields := named.Fields[id]; len(fields) > 0 {
			return text + ": " + some(fields, 6)
		}
	}
	return text
}

// some lists the first of many.
func some(names []string, most int) string {
	shown := make([]string, 0, most+1)
	for i, name := range names {
		if i == most && len(names) > most+1 {
			shown = append(shown, fmt.Sprintf("+%d", len(names)-most))
			break
		}
		shown = append(shown, Visible(name))
	}
	return strings.Join(shown, ", ")
}

// eventLine is a line that is put together from the left.
type eventLine struct {
	text        strings.Builder
	colour      bool
	width, used int // columns
}

func (r *eventLine) add(text, colour string) {
	if text == "" {
		return
	}
	if r.used > 0 {
		r.text.WriteString("  ")
		r.used += 2
	}
	r.used += utf8.RuneCountInString(text)
	if r.colour {
		text = paint(text, colour)
	}
	r.text.WriteString(text)
}

func (r *eventLine) write(out io.Writer) error {
	_, err := fmt.Fprintln(out, strings.TrimRight(r.text.String(), " "))
	return err
}

// cut shortens a text to so many characters, the last of which says that there was more.
func cut(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}
