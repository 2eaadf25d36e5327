package transform

import (
	"bytes"
	"strings"
)

// haystack is what is searched: a text of a callback, or the data of an event, which need not be copied for that.
type haystack interface{ string | []byte }

// index is strings.Index and bytes.Index.
func index[T haystack](s T, part string) int {
	switch s := any(s).(type) {
	case string:
		return strings.Index(s, part)
	case []byte:
		head := part[:min(len(part), 32)] // of more the conversion would allocate
		for from := 0; ; from++ {
			at := bytes.Index(s[from:], []byte(head))
			if at < 0 {
				return -1
			}
			if from += at; len(part) <= len(s)-from && string(s[from:from+len(part)]) == part {
				return from
			}
		}
	}
	return -1
}

func contains[T haystack](s T, part string) bool { return index(s, part) >= 0 }

// skips says how far a search for any of several texts may step, by the last two bytes of a window as long as the shortest of them: as far
// as these two bytes, in any letter case, are away from the end of the window in one of the texts (Wu and Manber, 1994). Most steps pass
// the whole window, so that most bytes of a searched text are never read.
type skips struct {
	size  int            // of a window
	last  [1 << 10]uint8 // for each pair of bytes, where in a window it last ends in one of the texts, less one
	first [1 << 10]bool  // pairs with which a text begins
}

// newSkips returns the steps for texts, each of at least size bytes, which are 2 to 256.
func newSkips(size int, texts []string) *skips {
	s := &skips{size: size}
	for _, text := range texts {
		s.first[pairOf(text[0], text[1])] = true
		for end := 2; end <= size; end++ {
			pair := pairOf(text[end-2], text[end-1])
			s.last[pair] = max(s.last[pair], uint8(end-1))
		}
	}
	return s
}

// next returns the end of the next window of s that may begin one of the texts, from the one that ends at end on; more than len(s): none.
func next[T haystack](s T, end int, by *skips) int {
	most := by.size - 1
	for end <= len(s) {
		switch last := int(by.last[pairOf(s[end-2], s[end-1])]); last {
		case 0: // of most pairs: a step that is not computed from what was read lets the CPU read ahead
			end += most
		case most:
			if start := end - by.size; by.first[pairOf(s[start], s[start+1])] {
				return end
			}
			end++
		default:
			end += most - last
		}
	}
	return end
}

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

// hasWord reports whether s contains one of the words, in any letter case, or a character that regular expressions fold to k or s.
func hasWord[T haystack](s T, of *wordSet) bool {
	for end := next(s, of.size, of.skips); end <= len(s); end = next(s, end+1, of.skips) {
		for _, word := range of.words {
			if startsWith(s[end-of.size:], word) {
				return true
			}
		}
	}
	return contains(s, "\u212a") || contains(s, "\u017f")
}

// startsWith reports whether s starts with a word in lower case, in any letter case.
func startsWith[T haystack](s T, word string) bool {
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
