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

// A source's callbacks have the same names again and again, of which as many are remembered, each of at most longestKept bytes.
const (
	keptNames   = 256
	longestKept = 64
)

// nameTable remembers what was found out about names: the last one of each hash. It may be used in parallel.
type nameTable struct {
	seed maphash.Seed
	kept [keptNames]atomic.Pointer[keptName]
}

type keptName struct {
	name, step string
	isSecret   bool // as isSecretName says of the step
}

func (t *nameTable) of(name string) *keptName {
	slot := &t.kept[maphash.String(t.seed, name)%keptNames]
	if kept := slot.Load(); kept != nil && kept.name == name {
		return kept
	}
	known := &keptName{name: name, step: step(name)}
	known.isSecret = isSecretName(known.step)
	if len(name) <= longestKept {
		known.name, known.step = strings.Clone(name), strings.Clone(known.step) // a name is a part of a whole body
		slot.Store(known)
	}
	return known
}

// step returns what step returns.
func (t *nameTable) step(name string) string {
	if isPlain(name) {
		return name
	}
	return t.of(name).step
}

// isSecret returns what isSecretName returns for a step.
func (t *nameTable) isSecret(step string) bool { return t.of(step).isSecret }
