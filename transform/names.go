package transform

import (
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// everywhere tells whether a name holds credentials at any depth of any CRM's body, but not in its records.
func everywhere(name string) bool {
	if len(name) < len("access_token") {
		return false
	}
	switch strings.ToLower(name) {
	case "authorization", "access_token", "refresh_token", "application_token", "client_secret":
		return true
	}
	return false
}

// sounding are names that people give to keys and passwords; ingest.Secrets calls them "<secret>".
var sounding = regexp.MustCompile(`(?i)token|secret|passw|pwd|authorization|credential|proof|signature|api.?key|^auth$|^key$`)

// places are what a source says of its callbacks, compiled.
type places struct {
	ingest.Secrets
	names, records []pattern
}

// pattern is a path of names: what each step from the root must be.
type pattern []func(step string) bool

func compile(secrets ingest.Secrets) *places {
	p := &places{Secrets: secrets}
	for _, name := range secrets.Names {
		p.names = append(p.names, compilePattern(name))
	}
	for _, record := range secrets.Records {
		p.records = append(p.records, compilePattern(record))
	}
	return p
}

func compilePattern(text string) pattern {
	var p pattern
	for step := range strings.SplitSeq(text, ".") {
		p = append(p, compileStep(step))
	}
	return p
}

// compileStep returns what path.Match does, quicker for the two kinds of globs that there are: a name, and *part*. No
// step holds a slash.
func compileStep(glob string) func(string) bool {
	if glob == "<secret>" {
		return sounding.MatchString
	}
	if !strings.ContainsAny(glob, `*?[\`) {
		return func(step string) bool { return step == glob }
	}
	if inner, ok := strings.CutPrefix(glob, "*"); ok {
		if inner, ok := strings.CutSuffix(inner, "*"); ok {
			part := strings.NewReplacer(`\[`, "[", `\]`, "]").Replace(inner)
			if !strings.ContainsAny(part, `*?\`) && strings.Count(inner, "[") == strings.Count(inner, `\[`) {
				return func(step string) bool { return strings.Contains(step, part) }
			}
		}
	}
	return func(step string) bool {
		ok, err := path.Match(glob, step)
		return ok && err == nil
	}
}

// step is a member's name as patterns see it.
func step(name string) string {
	if isPlain(name) {
		return name
	}
	return strings.ReplaceAll(strings.ToLower(name), "/", "_")
}

// isPlain tells whether name is surely its own step; most are.
func isPlain(name string) bool {
	for i := range len(name) {
		if b := name[i]; b == '/' || b >= 'A' && b <= 'Z' || b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func matchesAny(patterns []pattern, steps []string) bool {
	for _, p := range patterns {
		if len(p) == len(steps) && p.matches(steps) {
			return true
		}
	}
	return false
}

func (p pattern) matches(steps []string) bool {
	for i, matches := range p {
		if !matches(steps[i]) {
			return false
		}
	}
	return true
}

// secretName tells whether a secret stands under a name, the last of steps.
func (c *Cleaner) secretName(name string, steps []string) bool {
	return everywhere(name) || matchesAny(c.places.names, steps)
}
