package transform

import (
	"slices"
	"strings"
)

// layers bounds how often a text is decoded in search of secrets: a URL in a URL, in HTML, in a form.
const layers = 4

// layer is a text with some of its encodings decoded.
type layer struct {
	text   string
	outer  *layer // that it was decoded from; nil: this is the original
	decode decoder
	depth  int     // how often it was decoded in search of secrets
	at     []int32 // the offset in outer of each byte, and of the end, once somebody asked
}

// span is a part of a text: from start up to, but without, end.
type span struct{ start, end int }

// origin returns the span of the original that a part of the layer was decoded from.
func (l *layer) origin(start, end int) span {
	if l.outer == nil {
		return span{start, end}
	}
	if l.at == nil {
		_, l.at = l.decode.all(l.outer.text, 0, make([]int32, 0, len(l.text)+1))
	}
	for end < len(l.text) && l.at[end] == l.at[end-1] { // a character may be several bytes of one escape
		end++
	}
	return l.outer.origin(int(l.at[start]), int(l.at[end]))
}

// below decodes one encoding of each character; nil if nothing is encoded any more, or it was decoded often enough.
func (l *layer) below() *layer {
	if l.depth == layers {
		return nil
	}
	inner := l.peel(escape)
	if inner != nil {
		inner.depth = l.depth + 1
	}
	return inner
}

// peel decodes what decode decodes; nil if that is nothing.
func (l *layer) peel(decode decoder) *layer {
	first := firstEncoded(l.text, decode)
	if first == len(l.text) {
		return nil
	}
	text, _ := decode.all(l.text, first, nil)
	return &layer{text: text, outer: l, decode: decode}
}

// longestEncoding is the size of the longest encoding of a character, that of an entity.
const longestEncoding = longestEntity

// firstEncoded returns the offset of the first character of s that decode decodes, or the length of s.
func firstEncoded[T haystack](s T, decode decoder) int {
	first := len(s) // which it is in most
	for _, b := range [...]string{"%", "&", "\\"} {
		if i := index(s[:first], b); i >= 0 {
			first = i
		}
	}
	for ; first < len(s); first++ {
		if begins[s[first]] {
			if _, size := decode(nil, string(s[first:min(len(s), first+longestEncoding)])); size > 0 {
				break
			}
		}
	}
	return first
}

// all decodes a text from the first encoded character on. It adds the offset of each byte, and of the end, to at, unless that is nil.
func (decode decoder) all(text string, first int, at []int32) (string, []int32) {
	var plain strings.Builder
	plain.Grow(len(text))
	var decoded []byte
	for from := 0; from < len(text); {
		next := max(from, first)
		for next < len(text) && !begins[text[next]] {
			next++
		}
		plain.WriteString(text[from:next])
		if at != nil {
			for i := from; i < next; i++ {
				at = append(at, int32(i))
			}
		}
		if from = next; from == len(text) {
			break
		}
		var size int
		if decoded, size = decode(decoded[:0], text[from:]); size == 0 {
			decoded, size = append(decoded, text[from]), 1
		}
		plain.Write(decoded)
		if at != nil {
			at = append(at, slices.Repeat([]int32{int32(from)}, len(decoded))...)
		}
		from += size
	}
	if at != nil {
		at = append(at, int32(len(text)))
	}
	return plain.String(), at
}

// cut replaces each span of s by a mask, and overlapping ones by one.
func cut(s string, spans []span) string {
	if len(spans) == 0 {
		return s
	}
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	var out strings.Builder
	end := 0
	for i, part := range spans {
		if i == 0 || part.start >= end {
			out.WriteString(s[end:part.start])
			out.WriteString(mask)
		}
		end = max(end, part.end)
	}
	out.WriteString(s[end:])
	return out.String()
}

// mask replaces a secret.
const mask = "***"
