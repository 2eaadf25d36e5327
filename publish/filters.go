package publish

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

var filterPattern = regexp.MustCompile(`^[^\s.>]+(\.[^\s.>]+)*(\.>)?$|^>$`)

// IsFilter reports whether a text is a subject, or a filter of subjects with the wildcards * and >.
func IsFilter(text string) bool { return filterPattern.MatchString(text) }

// Matches reports whether a filter of subjects matches a subject.
func Matches(filter, subject string) bool { return covers(filter, subject) }

// covers reports whether every subject that wanted matches is matched by filter.
func covers(filter, wanted string) bool {
	have, want := strings.Split(filter, "."), strings.Split(wanted, ".")
	for i, token := range have {
		switch {
		case token == ">":
			return i < len(want)
		case i >= len(want) || want[i] == ">":
			return false
		case token != "*" && token != want[i]:
			return false
		}
	}
	return len(have) == len(want)
}

// uncovered returns the filters that can match nothing of what a stream takes.
func uncovered(stream jetstream.StreamConfig, filters []string) []string {
	if len(stream.Subjects) == 0 || stream.Mirror != nil || len(stream.Sources) > 0 {
		return nil // another stream's subjects are in it
	}
	var foreign []string
	for _, filter := range filters {
		if !slices.ContainsFunc(stream.Subjects, func(held string) bool { return overlap(held, filter) }) {
			foreign = append(foreign, filter)
		}
	}
	return foreign
}

func uncoveredError(stream jetstream.StreamConfig, filter string) error {
	return fmt.Errorf("stream %s holds %s: nothing in it can have the subject %s", stream.Name, strings.Join(stream.Subjects, ", "), filter)
}

// Overlap reports whether a subject could match both filters.
func Overlap(a, b string) bool { return overlap(a, b) }

func overlap(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		switch {
		case as[i] == ">" || bs[i] == ">":
			return true
		case as[i] != "*" && bs[i] != "*" && as[i] != bs[i]:
			return false
		}
	}
	return len(as) == len(bs)
}

// apart returns the filters without those that another one covers, for the server takes no such pair.
func apart(filters []string) []string {
	var kept []string
	for i, filter := range filters {
		others := slices.Concat(kept, filters[i+1:])
		if !slices.ContainsFunc(others, func(other string) bool { return covers(other, filter) }) {
			kept = append(kept, filter)
		}
	}
	return kept
}
