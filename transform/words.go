package transform

import "strings"

// skips says how far a search for any of several texts may step, by the last two bytes of a window as long as the shortest of them: as far
// as these two bytes, in any letter case, are away from the end of the window in one of the texts (Wu and Manber, 1994). Most steps pass
// the whole window, so that most bytes of a searched text are never read.
type skips struct {
	size int            // of a window
	last [1 << 10]uint8 // for each pair of bytes, where in a window it last ends in one of the texts, less one
}

// newSkips returns the steps for texts, each of at least size bytes, which are 2 to 256.
func newSkips(size int, texts []string) *skips {
	s := &skips{size: size}
	for _, text := range texts {
		for end := 2; end <= size; end++ {
			pair := pairOf(text[end-2], text[end-1])
			s.last[pair] = max(s.last[pair], uint8(end-1))
		}
	}
	return s
}

// step returns how far a search may step when a window ends with two bytes; 0: the window may begin one of the texts.
func (s *skips) step(a, b byte) int { return s.size - 1 - int(s.last[pairOf(a, b)]) }

// pairOf returns a number for two bytes, the same in either letter case.
func pairOf(a, b byte) int { return int(a&31)<<5 | int(b&31) }

// wordSet is words in lower case, each of at least two bytes.
type wordSet struct {
	words []string
	size  int // of the shortest
	skips *skips
}

func words(all ...string) *wordSet {
	set := &wordSet{words: all, size: len(all[0])}
	for _, word := range all {
		set.size = min(set.size, len(word))
	}
	set.skips = newSkips(set.size, all)
	return set
}

// in reports whether s contains one of the words, in any letter case, or a character that regular expressions fold to k or s.
func (w *wordSet) in(s string) bool {
	for end := w.size; end <= len(s); {
		if step := w.skips.step(s[end-2], s[end-1]); step > 0 {
			end += step
			continue
		}
		for _, word := range w.words {
			if startsWith(s[end-w.size:], word) {
				return true
			}
		}
		end++
	}
	return strings.Contains(s, "\u212a") || strings.Contains(s, "\u017f")
}

// startsWith reports whether s starts with a word in lower case, in any letter case.
func startsWith(s, word string) bool {
	if len(s) < len(word) {
		return false
	}
	for i := range len(word) {
		if s[i] != word[i] && s[i] != upper(word[i]) {
			return false
		}
	}
	return true
}

func upper(b byte) byte {
	if b >= 'a' && b <= 'z' {
		return b - 'a' + 'A'
	}
	return b
}
