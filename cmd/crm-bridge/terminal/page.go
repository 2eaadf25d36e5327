package terminal

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Page is a text of headings, paragraphs and tables, as wide as the terminal, but easy to read. What is put on it may be untrusted, so it is
// escaped.
type Page struct {
	out    io.Writer
	text   bytes.Buffer
	colour bool
	width  int
}

// A page is at least as wide as leastPage, and at most as wide as lines are easy to read.
const (
	leastPage = 40
	mostPage  = 100
)

// NewPage returns an empty page that End writes to out.
func NewPage(out io.Writer) *Page {
	return &Page{out: out, colour: WantsColour(out), width: min(max(columns(out), leastPage), mostPage)}
}

// End writes the page.
func (p *Page) End() error {
	_, err := p.out.Write(p.text.Bytes())
	return err
}

// Good adds a line that says that all is well.
func (p *Page) Good(text string) { p.paragraph(text, "", green) }

// Bad adds a line that says that something is wrong.
func (p *Page) Bad(text string) { p.paragraph(text, "", red) }

// Text adds a paragraph behind a label; its further lines begin below its first word.
func (p *Page) Text(label, text string) { p.paragraph(text, label, noColour) }

// Head begins a section after an empty line.
func (p *Page) Head(text string) {
	p.text.WriteByte('\n')
	p.paragraph(text, "", bold)
}

// paragraph adds text in lines that fit, all but the first as far to the right as the label is long.
func (p *Page) paragraph(text, label, colour string) {
	label = Visible(label)
	indent := utf8.RuneCountInString(label)
	for i, line := range wrapped(Visible(text), max(p.width-indent, leastPage/2)) {
		if p.colour {
			line = paint(line, colour)
		}
		lead := strings.Repeat(" ", indent)
		if i == 0 {
			lead = label
		}
		p.text.WriteString(strings.TrimRight(lead+line, " ") + "\n")
	}
}

// wrapped breaks a text between words into lines of at most so many characters; a longer word is broken too.
func wrapped(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		runes := []rune(word)
		for ; len(runes) > width; runes = runes[width:] {
			lines = append(lines, string(runes[:width]))
		}
		line = string(runes)
	}
	return append(lines, line)
}

// Table adds rows below their headings. Columns of numbers are aligned to the right; where a row is too long, its longest columns are cut.
func (p *Page) Table(headings []string, rows [][]string) {
	all := [][]string{headings}
	for _, row := range rows {
		shown := make([]string, len(headings))
		for i := range headings {
			shown[i] = Visible(row[i])
		}
		all = append(all, shown)
	}
	widths := p.widths(all)
	for i, row := range all {
		var line strings.Builder
		for column, cell := range row {
			cell = cut(cell, widths[column])
			pad := strings.Repeat(" ", widths[column]-utf8.RuneCountInString(cell))
			if isNumeric(all[1:], column) {
				cell = pad + cell
			} else {
				cell += pad
			}
			line.WriteString("  " + cell)
		}
		text := strings.TrimRight(line.String(), " ")
		if i == 0 && p.colour {
			text = paint(text, faint)
		}
		p.text.WriteString(text + "\n")
	}
}

// shortCell is what is left of a column at least.
const shortCell = 8

// widths returns how wide the columns are, so that a row fits.
func (p *Page) widths(all [][]string) []int {
	widths := make([]int, len(all[0]))
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 1)
		}
	}
	for {
		sum, longest := 0, 0
		for i, width := range widths {
			if sum += 2 + width; width > widths[longest] {
				longest = i
			}
		}
		if sum <= p.width || widths[longest] <= shortCell {
			return widths
		}
		widths[longest]--
	}
}

// isNumeric reports whether the cells of a column are numbers, each perhaps with a unit right behind it.
func isNumeric(rows [][]string, column int) bool {
	digits := false
	for _, row := range rows {
		switch cell := row[column]; {
		case cell == "" || cell == "–":
		case numeric.MatchString(cell):
			digits = true
		default:
			return false
		}
	}
	return digits
}

var numeric = regexp.MustCompile(`^[0-9][0-9.,]*[A-Za-z]*$`)
