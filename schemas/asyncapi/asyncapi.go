// Package asyncapi describes what a bridge publishes, as an AsyncAPI 3.1 document and as a page for people, from the very
// schemas that events are checked against. Nothing here knows of NATS' client, HTTP or the environment.
package asyncapi

import (
	"slices"
	"strings"
)

// Facts are what a document says of the bridge that serves it. All of it becomes public.
type Facts struct {
	Version string   // of the program
	Servers []Server // where consumers connect, in the order of preference
	Stream  string
	Prefix  string // first token of subjects
	Binary  bool   // attributes are headers, and a message is the data alone
	// Subjects are those that have, or will have, a channel of their own: what is configured, and what was seen. Whatever is
	// not <prefix>.<provider>.<Module>.<operation> is left out, and so is all beyond MaxChannels.
	Subjects []string
	// Records are the modules whose records are kept as states: <provider>.<Module>.
	Records []string
}

// Server is a NATS server that consumers connect to.
type Server struct {
	Host        string // host:port, in which {host} may stand for what only the reader can know
	DefaultHost string // what {host} is as long as nobody says otherwise
	Protocol    string // nats, ws or wss
	TLS         bool
	Password    bool // it asks consumers for a user and a password
	Description string
}

// MaxChannels bounds the channels of modules and operations in a document; those with parameters stand for the others.
const MaxChannels = 500

// subjects returns those that have a channel, each once, sorted, and how many more there are.
func (b Facts) subjects(all []family) (found []subject, more int) {
	for _, text := range b.Subjects {
		rest, ok := strings.CutPrefix(text, b.Prefix+".")
		tokens := strings.Split(rest, ".")
		if !ok || len(tokens) != 3 {
			continue
		}
		s := subject{rest, tokens[0], tokens[1], tokens[2]}
		if slices.ContainsFunc(all, func(f family) bool { return f.takes(s) }) {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b subject) int { return strings.Compare(a.name, b.name) })
	found = slices.Compact(found)
	if more = len(found) - MaxChannels; more > 0 {
		return found[:MaxChannels], more
	}
	return found, 0
}
