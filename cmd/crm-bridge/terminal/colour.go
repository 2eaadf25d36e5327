package terminal

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"
)

// The colours of a terminal, as the parameters of its escape sequences (ECMA-48, SGR).
const (
	noColour = ""
	bold     = "1"
	faint    = "2"
	red      = "31"
	green    = "32"
	magenta  = "35"
	cyan     = "36"
)

// operationColour is the colour of what happened to a record.
func operationColour(operation string) string {
	switch operation {
	case "create":
		return green
	case "edit":
		return cyan
	case "delete":
		return red
	}
	return magenta
}

// WantsColour reports whether what is printed there may be coloured: on a terminal that supports colours, unless NO_COLOR is
// set.
func WantsColour(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && IsTerminal(file) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && takesEscapes(file)
}

// paint returns text between the sequences that begin and end a colour.
func paint(text, colour string) string {
	if colour == noColour || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// columns returns how wide a terminal is; of what is none, as wide as a readable line.
func columns(stream any) int {
	if file, ok := stream.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 100
}

// Visible returns text as it may be shown on a terminal: what a terminal would obey, or a person not see, is written as an
// escape. Events hold what people typed into a CRM.
func Visible(text string) string {
	if !strings.ContainsFunc(text, hidden) {
		return text
	}
	var shown strings.Builder
	for i, r := range text {
		switch _, size := utf8.DecodeRuneInString(text[i:]); {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&shown, `\x%02x`, text[i])
		case hidden(r):
			quoted := strconv.QuoteRune(r)
			shown.WriteString(quoted[1 : len(quoted)-1])
		default:
			shown.WriteRune(r)
		}
	}
	return shown.String()
}

// VisibleLines is Visible for a text of several lines.
func VisibleLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = Visible(lines[i])
	}
	return strings.Join(lines, "\n")
}

func hidden(r rune) bool { return r == utf8.RuneError || !strconv.IsPrint(r) }

// VisibleJSON is Visible for JSON, whose meaning it keeps.
func VisibleJSON(text []byte) []byte {
	shown := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == '\n' || r < 0x7f && r >= ' ':
			shown = append(shown, text[i])
		case r == utf8.RuneError && size == 1:
			shown = append(shown, `\ufffd`...)
		case r == '\u00a0' || r != utf8.RuneError && strconv.IsPrint(r):
			shown = append(shown, text[i:i+size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			shown = fmt.Appendf(shown, `\u%04x\u%04x`, high, low)
		default:
			shown = fmt.Appendf(shown, `\u%04x`, r)
		}
		i += size
	}
	return shown
}
