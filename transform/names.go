package transform

import (
	"hash/maphash"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// isCredentialName reports whether a name has a credential at any depth of any CRM's body, except in records. In a form the path stands
// in front of the name: auth[access_token].
func isCredentialName(name string) bool {
	if len(name) < len("access_token") {
		return false
	}
	if at := strings.LastIndexByte(name, '['); at >= 0 {
		name = strings.TrimRight(name[at+1:], "]")
	}
	for _, credential := range [...]string{"authorization", "access_token", "refresh_token", "application_token", "client_secret"} {
		if strings.EqualFold(name, credential) {
			return true
		}
	}
	return false
}

// credentialWords are parts of the names that people give to keys and passwords.
const credentialWords = `token|secret|passw|pwd|passphrase|authorization|credential|proof|signature|(?:api|access|private|auth).?key|auth.?(?:id|code)|refresh.?id|sess(?:ion)?.?id`

// secretNames matches such names; ingest.Secrets calls them "<secret>".
var secretNames = regexp.MustCompile(`(?i)` + credentialWords + `|^o?auth$|^(?:key|pass|ticket|jwt)$|(?:^|[^a-z])sid$`)

// secretNameHints are words of which every such name contains one.
var secretNameHints = words("token", "secret", "passw", "pwd", "passphrase", "auth", "credential", "proof", "signature", "key", "refresh", "sess", "pass", "ticket", "jwt", "sid")

// isSecretName reports whether people give such a name to keys and passwords.
func isSecretName(name string) bool {
	return hasWord(name, secretNameHints) && secretNames.MatchString(name)
}

// rules are the secrets of a source, compiled.
type rules struct {
	ingest.Secrets
	names, records []namePath
	text           *regexp.Regexp // names of one step, in a body that is text or XML; nil: no names
	inText         *wordSet       // these names
	deepest        int            // steps of the longest path by which a member is judged
	known          *nameTable
}

// namePath is a path of names: a condition for each step from the root.
type namePath []func(step string) bool

func compile(secrets ingest.Secrets) *rules {
	p := &rules{Secrets: secrets, known: &nameTable{seed: maphash.MakeSeed()}}
	for _, name := range secrets.Names {
		p.names = append(p.names, p.known.compilePattern(name))
	}
	for _, record := range secrets.Records {
		p.records = append(p.records, p.known.compilePattern(record))
	}
	for _, path := range slices.Concat(p.names, p.records) {
		p.deepest = max(p.deepest, len(path))
	}
	if p.Hides != nil {
		p.deepest = jsontext.MaxDepth
	}
	if plain := slices.DeleteFunc(slices.Clone(secrets.Names), func(name string) bool { return !plainName.MatchString(name) }); len(plain) > 0 {
		p.text, p.inText = compileText(plain), words(plain...)
	}
	return p
}

var plainName = regexp.MustCompile(`^[a-z_]+$`)

// compileText returns a pattern for the values of names in text: the content of an element, an attribute, a member of broken JSON, what
// follows a colon or an equals sign at the start of a line. Its odd groups are names, and the group behind each is the value.
func compileText(names []string) *regexp.Regexp {
	name := `(` + strings.Join(names, "|") + `)`
	return regexp.MustCompile(`(?is)<(?:[\w.-]+:)?` + name + `(?:\s[^>]*)?>(.*?)(?:</|$)` +
		`|\s` + name + `\s*=\s*("[^"]*"?|'[^']*'?)` +
		`|"` + name + `"\s*:\s*("(?:[^"\\]|\\.)*"?|[^\s,}\]]+)` +
		`|(?m:^)[ \t]*` + name + `[ \t]*[:=][ \t]*([^\r\n&]+)`)
}

// named appends to found where the text of a body has values of secret names.
func (p *rules) named(text string, found []span) []span {
	if p.text == nil || !hasWord(text, p.inText) {
		return found
	}
	for _, at := range p.text.FindAllStringSubmatchIndex(text, -1) {
		for group := 2; group < len(at); group += 4 {
			if at[group] >= 0 && at[group+3] > at[group+2] && !slices.Contains(p.Params, text[at[group]:at[group+1]]) {
				found = append(found, unquoted(text, at[group+2], at[group+3]))
			}
		}
	}
	return found
}

// valuesAt returns the values at spans of the text of a body, without what encloses them.
func valuesAt(text string, spans []span) []string {
	values := make([]string, len(spans))
	for i, at := range spans {
		value := strings.TrimSpace(text[at.start:at.end])
		values[i] = strings.TrimSuffix(strings.TrimPrefix(value, "<![CDATA["), "]]>")
	}
	return values
}

func (t *nameTable) compilePattern(text string) namePath {
	var p namePath
	for step := range strings.SplitSeq(text, ".") {
		p = append(p, t.compileStep(step))
	}
	return p
}

// compileStep returns path.Match for a glob, and a comparison for a plain name. No step has a slash.
func (t *nameTable) compileStep(glob string) func(string) bool {
	if glob == "<secret>" {
		return t.isSecret
	}
	if !strings.ContainsAny(glob, `*?[\`) {
		return func(step string) bool { return step == glob }
	}
	return func(step string) bool {
		ok, err := path.Match(glob, step)
		return ok && err == nil
	}
}

func matchesAny(patterns []namePath, steps []string) bool {
	for _, p := range patterns {
		if len(p) == len(steps) && p.matches(steps) {
			return true
		}
	}
	return false
}

func (p namePath) matches(steps []string) bool {
	for i, matches := range p {
		if !matches(steps[i]) {
			return false
		}
	}
	return true
}

// unquoted returns a part of a text without the quotes around it, so that the text stays well-formed.
func unquoted(text string, start, end int) span {
	if quote := text[start]; quote == '"' || quote == '\'' {
		if start++; end > start && text[end-1] == quote {
			end--
		}
	}
	return span{start, end}
}
