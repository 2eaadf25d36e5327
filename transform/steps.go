package transform

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// step returns the name of a member as patterns match it.
func step(name string) string {
	if isPlain(name) {
		return name
	}
	return strings.ReplaceAll(strings.ToLower(name), "/", "_")
}

// isPlain reports whether name is its own step, without decoding it; most are.
func isPlain(name string) bool {
	for i := range len(name) {
		if b := name[i]; b == '/' || b >= 'A' && b <= 'Z' || b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// A source's callbacks have the same names again and again, of which as many steps are remembered, each of at most longestKept bytes.
const (
	keptSteps   = 256
	longestKept = 64
)

// steps remembers the steps of names: the last name of each hash. It may be used in parallel.
type steps struct {
	seed maphash.Seed
	kept [keptSteps]atomic.Pointer[keptStep]
}

type keptStep struct{ name, step string }

// of returns what step returns.
func (s *steps) of(name string) string {
	if len(name) > longestKept || isPlain(name) {
		return step(name)
	}
	slot := &s.kept[maphash.String(s.seed, name)%keptSteps]
	kept := slot.Load()
	if kept == nil || kept.name != name {
		kept = &keptStep{strings.Clone(name), step(name)} // the name is a part of a whole body
		slot.Store(kept)
	}
	return kept.step
}
