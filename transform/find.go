package transform

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A configured secret of at least inside characters is masked in any text, one of at least shortest only as a whole word. A value of a
// secret name is masked elsewhere only if it is shaped like a token. Anything less would match the CRM's data by chance.
const (
	shortest = 6
	inside   = 12
)

// needle is a spelling of a secret: plain, or the part of its base64 that does not depend on what surrounds it.
type needle struct {
	text   string
	base64 bool
	head   uint64 // its first bytes
}

// finder finds any number of needles: a few one by one, more by their first bytes.
type finder struct {
	needles []needle // sorted by head
	heads   *heads   // nil: they are few
}

// heads are the first bytes of needles, to step over most of a text.
type heads struct {
	skips *skips
	bits  [64]uint64 // one for each hash of a head
}

// few is a number of needles that are found sooner one by one.
const few = 4

// headSize is the size of a head; every needle has as many bytes.
const headSize = shortest

func newFinder(all []needle) *finder {
	f := &finder{needles: all}
	for i := range all {
		all[i].head = headOf(all[i].text)
	}
	slices.SortFunc(all, func(a, b needle) int { return cmp.Compare(a.head, b.head) })
	if len(all) > few {
		f.heads = headsOf(all)
	}
	return f
}

func headsOf(all []needle) *heads {
	h, texts := new(heads), make([]string, len(all))
	for i, n := range all {
		texts[i] = n.text[:headSize]
		bit := hashOf(n.head)
		h.bits[bit/64] |= 1 << (bit % 64)
	}
	h.skips = newSkips(headSize, texts)
	return h
}

func headOf[T haystack](s T) (head uint64) {
	for i := range headSize {
		head = head<<8 | uint64(s[i])
	}
	return head
}

func hashOf(head uint64) uint64 { return head * 0x9e3779b97f4a7c15 >> (64 - 12) }

// needlesIn appends to found the needles of f that s contains, each once.
func needlesIn[T haystack](s T, f *finder, found []needle) []needle {
	if f == nil {
		return found
	}
	if f.heads == nil {
		for _, n := range f.needles {
			if contains(s, n.text) && !slices.Contains(found, n) {
				found = append(found, n)
			}
		}
		return found
	}
	for end := next(s, headSize, f.heads.skips); end <= len(s); end = next(s, end+1, f.heads.skips) {
		from := s[end-headSize:]
		head := headOf(from)
		if bit := hashOf(head); f.heads.bits[bit/64]>>(bit%64)&1 == 0 {
			continue
		}
		for _, n := range f.headed(head) {
			if len(n.text) <= len(from) && string(from[:len(n.text)]) == n.text && !slices.Contains(found, n) {
				found = append(found, n)
			}
		}
	}
	return found
}

// headed returns the needles with a head.
func (f *finder) headed(head uint64) []needle {
	start, _ := slices.BinarySearchFunc(f.needles, head, func(n needle, head uint64) int { return cmp.Compare(n.head, head) })
	end := start
	for end < len(f.needles) && f.needles[end].head == head {
		end++
	}
	return f.needles[start:end]
}

// has reports whether a value is a needle.
func (f *finder) has(value string) bool {
	return f != nil && len(value) >= headSize && slices.ContainsFunc(f.headed(headOf(value)), func(n needle) bool { return n.text == value })
}

// needles returns the spellings of secrets in text whose escapes are decoded. With encoded set those of long enough secrets include
// base64, as in a Basic header.
func needles(values []string, encoded bool) []needle {
	all := make([]needle, 0, len(values))
	for _, value := range values {
		if len(value) < shortest {
			continue
		}
		all = append(all, needle{text: value})
		if strings.Contains(value, " ") {
			all = append(all, needle{text: strings.ReplaceAll(value, " ", "+")})
		}
		if encoded && len(value) >= inside {
			all = append(all, inBase64(value)...)
		}
	}
	return all
}

// inBase64 returns the base64 of a value at each alignment, without the characters that depend on its neighbours.
func inBase64(value string) []needle {
	var all []needle
	for before, skip := range [...]int{0, 2, 3} {
		text := base64.RawStdEncoding.EncodeToString([]byte("\x00\x00"[:before] + value))
		text = text[skip : (before+len(value))*8/6]
		all = append(all, needle{text: text, base64: true})
		if safe := strings.NewReplacer("+", "-", "/", "_").Replace(text); safe != text {
			all = append(all, needle{text: safe, base64: true})
		}
	}
	return all
}

// spans appends to found where a layer contains the needle. A short one counts only as a whole word, unless anywhere is set.
func (n needle) spans(l *layer, anywhere bool, found []span) []span {
	for from := 0; ; {
		at := strings.Index(l.text[from:], n.text)
		if at < 0 {
			return found
		}
		start, end := from+at, from+at+len(n.text)
		from = end
		switch {
		case n.base64:
			start, end = widen(l.text, start, end)
		case !anywhere && len(n.text) < inside && partOfWord(l.text, start, end):
			continue
		}
		found = append(found, l.origin(start, end))
	}
}

// widen extends a part of a base64 text to all of it.
func widen(s string, start, end int) (int, int) {
	isBase64 := func(b byte) bool {
		return b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || strings.IndexByte("+/-_=", b) >= 0
	}
	for start > 0 && isBase64(s[start-1]) && s[start-1] != '=' {
		start--
	}
	for end < len(s) && isBase64(s[end]) {
		end++
	}
	return start, end
}

func partOfWord(s string, start, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:start])
	after, _ := utf8.DecodeRuneInString(s[end:])
	return start > 0 && isWord(before) || end < len(s) && isWord(after)
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
