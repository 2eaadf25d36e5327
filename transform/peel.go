package transform

import (
	"html"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// layers bounds how often a text is decoded in search of secrets: a URL in a URL, in HTML, in a form.
const layers = 4

// layer is a text with some of its encodings decoded, and the offset of each of its bytes in the original.
type layer struct {
	text string
	at   []int32 // nil: the same offsets, or not needed
	size int     // of the original; 0: offsets are not needed
}

// span is a part of a text: from start up to, but without, end.
type span struct{ start, end int }

// origin returns the span of the original that a part of the layer was decoded from.
func (l layer) origin(start, end int) span {
	if l.at == nil {
		return span{start, end}
	}
	for ; end < len(l.at); end++ { // a character may be several bytes of one escape
		if l.at[end] > l.at[end-1] {
			return span{int(l.at[start]), int(l.at[end])}
		}
	}
	return span{int(l.at[start]), l.size}
}

// each calls do with s, and with each layer below it until nothing is encoded any more.
func each(s string, do func(layer)) { layer{text: s, size: len(s)}.each(do) }

func (l layer) each(do func(layer)) {
	do(l)
	for range layers {
		below, ok := l.peel(escape)
		if !ok {
			return
		}
		do(below)
		l = below
	}
}

// eachOfJSON calls do with a JSON text, and with the layers of its strings.
func eachOfJSON(text string, do func(layer)) {
	l := layer{text: text}
	if inner, ok := l.peel(backslash); ok {
		do(l)
		l = inner
	}
	l.each(do)
}

// peel decodes one encoding of each character; ok is false if nothing is encoded.
func (l layer) peel(decode func(s string) (plain []byte, size int)) (below layer, ok bool) {
	first := l.encoded(decode)
	if first == len(l.text) {
		return l, false
	}
	text := append(make([]byte, 0, len(l.text)), l.text[:first]...)
	var at []int32
	if l.size > 0 {
		at = make([]int32, first, len(l.text))
		for i := range at {
			at[i] = l.place(i)
		}
	}
	for i := first; i < len(l.text); {
		plain, size := []byte(nil), 0
		if isEscape(l.text[i]) {
			plain, size = decode(l.text[i:])
		}
		if size > 0 {
			text = append(text, plain...)
		} else {
			text, size = append(text, l.text[i]), 1
		}
		for l.size > 0 && len(at) < len(text) {
			at = append(at, l.place(i))
		}
		i += size
	}
	return layer{string(text), at, l.size}, true
}

// encoded returns the offset of the first encoded character, or the length of the text.
func (l layer) encoded(decode func(s string) (plain []byte, size int)) int {
	first := len(l.text) // which it is in most
	for _, b := range [...]byte{'%', '&', '\\'} {
		if i := strings.IndexByte(l.text[:first], b); i >= 0 {
			first = i
		}
	}
	for i := first; i < len(l.text); i++ {
		if isEscape(l.text[i]) {
			if _, size := decode(l.text[i:]); size > 0 {
				return i
			}
		}
	}
	return len(l.text)
}

func isEscape(b byte) bool { return b == '%' || b == '&' || b == '\\' }

func (l layer) place(i int) int32 {
	if l.at == nil {
		return int32(i)
	}
	return l.at[i]
}

// escape decodes the percent-encoded byte, the entity or the escape of JSON at the start of s; size is 0 for anything else.
func escape(s string) (plain []byte, size int) {
	switch s[0] {
	case '%':
		return percent(s)
	case '&':
		return entity(s)
	case '\\':
		return backslash(s)
	}
	return nil, 0
}

func percent(s string) (plain []byte, size int) {
	if len(s) < 3 || s[0] != '%' {
		return nil, 0
	}
	b, err := strconv.ParseUint(s[1:3], 16, 8)
	if err != nil {
		return nil, 0
	}
	return []byte{byte(b)}, 3
}

// longestEntity exceeds the name of any entity, and numbers with leading zeros.
const longestEntity = 40

// entity decodes named entities such as &amp;, &#38; and &#x26;.
func entity(s string) (plain []byte, size int) {
	end := strings.IndexByte(s[:min(len(s), longestEntity)], ';')
	if end < 3 {
		return nil, 0
	}
	name := s[:end+1]
	if name[1] != '#' {
		if plain := html.UnescapeString(name); plain != name && (len(plain) == 1 || !strings.HasSuffix(plain, ";")) {
			return []byte(plain), len(name)
		}
		return nil, 0
	}
	digits, base := name[2:end], 10
	if digits[0] == 'x' || digits[0] == 'X' {
		digits, base = digits[1:], 16
	}
	code, err := strconv.ParseUint(digits, base, 21)
	if err != nil {
		return nil, 0
	}
	return utf8.AppendRune(nil, rune(code)), len(name)
}

// backslash decodes an escape of JSON or JavaScript.
func backslash(s string) (plain []byte, size int) {
	if len(s) < 2 || s[0] != '\\' {
		return nil, 0
	}
	switch s[1] {
	case '"', '\\', '/', '\'':
		return []byte{s[1]}, 2
	case 'n', 'r', 't', 'b', 'f':
		return []byte{"\n\r\t\b\f"[strings.IndexByte("nrtbf", s[1])]}, 2
	case 'x':
		if code, ok := hexOf(s, 2, 2); ok {
			return utf8.AppendRune(nil, code), 4
		}
	case 'u':
		high, ok := hexOf(s, 2, 4)
		if !ok {
			return nil, 0
		}
		if low, ok := hexOf(s, 8, 4); ok && s[6:8] == `\u` && utf16.IsSurrogate(high) {
			return utf8.AppendRune(nil, utf16.DecodeRune(high, low)), 12
		}
		return utf8.AppendRune(nil, high), 6
	}
	return nil, 0
}

func hexOf(s string, start, digits int) (rune, bool) {
	if len(s) < start+digits {
		return 0, false
	}
	code, err := strconv.ParseUint(s[start:start+digits], 16, 32)
	return rune(code), err == nil
}
