package transform

import (
	"slices"
	"strings"
	"testing"
)

// Words and needles are found wherever they stand, as a search at every byte finds them.
func FuzzFind(f *testing.F) {
	f.Add("no secrets here, only their authors and a TOKEN", "planted-secret")
	f.Add("xplanted-secretplanted-secret", "planted-secret")
	f.Add("aaaaaaaaaaaaaa", "aaaaaa")
	f.Add("to\u212aen", "abcdef")
	f.Add("1000.pass%41", "configured-secret")
	f.Add("https://me:pass@host/x and https://x/y", "configured-secret")
	f.Add("0123456789abcdef0123456789abcdef-012345 0123456789abcdef0123456789abcdef-0123456789", "0123456789abcdef0123456789abcdef-0123456789")
	f.Add("50 % of R&D &lt; 100 \\ 1&#0000000000000000000000000000000000038;", "configured-secret")
	words := words("auth", "token", "secret", "1000.", "/rest/", "key")
	f.Fuzz(func(t *testing.T, text, secret string) {
		want := strings.Contains(text, "\u212a") || strings.Contains(text, "\u017f")
		for at := range len(text) {
			want = want || slices.ContainsFunc(words.words, func(word string) bool { return startsWith(text[at:], word) })
		}
		if hasWord(text, words) != want {
			t.Errorf("words in %q: %v", text, !want)
		}
		find := newFinder(needles([]string{secret, "configured-secret", "planted-1", "planted-2"}, true))
		found := needlesIn(text, find, nil)
		for _, n := range find.needles {
			if slices.Contains(found, n) != strings.Contains(text, n.text) {
				t.Errorf("%q in %q: %v", n.text, text, slices.Contains(found, n))
			}
		}
		data := []byte(text)
		if index(data, secret) != strings.Index(text, secret) {
			t.Errorf("%q in the bytes of %q: %d", secret, text, index(data, secret))
		}
		if hasWord(data, words) != want || !slices.Equal(needlesIn(data, find, nil), found) || hasUser(data) != hasUser(text) || firstEncoded(data, escape) != firstEncoded(text, escape) {
			t.Errorf("in the bytes of %q something else is found", text)
		}
		if first := firstEncoded(text, escape); first < len(text) {
			if _, size := escape(nil, text[first:]); size == 0 {
				t.Errorf("%q is not encoded at %d", text, first)
			}
		}
	})
}

// Each part of a decoded text comes from the part of the original that decodes to it.
func FuzzOrigin(f *testing.F) {
	f.Add("50%25 &amp;#38; \\u00e4 %41%42 %e2%82%ac x", 3, 5)
	f.Add("%2541&amp;lt;", 0, 1)
	f.Fuzz(func(t *testing.T, text string, start, size int) {
		for l := (&layer{text: text}); l != nil; l = l.below() {
			if start < 0 || size <= 0 || start > len(l.text) || size > len(l.text)-start {
				return
			}
			at := l.origin(start, start+size)
			if at.start < 0 || at.end > len(text) || at.start >= at.end {
				t.Fatalf("%q at %d of %q is %v of %q", l.text[start:start+size], start, l.text, at, text)
			}
			part := &layer{text: text[at.start:at.end]}
			for o := l.outer; o != nil; o = o.outer {
				if part = part.peel(escape); part == nil {
					return // what decodes it stands around it
				}
			}
			if strings.Contains(l.text[start:start+size], "plain") && !strings.Contains(part.text, "plain") {
				t.Fatalf("%q comes from %q", l.text[start:start+size], text[at.start:at.end])
			}
		}
	})
}

// A user in a URL is seen wherever one stands between its scheme and its path.
func FuzzHasUser(f *testing.F) {
	for _, s := range []string{"https://me:pass@host/x", "https://host/@x", "//me@x", "a:///x@y", "x////://me@h", "https://a https://b@c", ":// @", "https://\u00e4@x", "https://"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want := false
		for _, rest := range strings.Split(text, "://")[1:] {
			end := strings.IndexAny(rest, "@/?#\"'<>,; \t\r\n\f")
			want = want || end > 0 && rest[end] == '@'
		}
		if hasUser(text) != want {
			t.Errorf("a user in %q: %v", text, !want)
		}
	})
}
