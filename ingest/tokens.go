package ingest

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
)

// Tokens are shared secrets by the sender's id, read from "id:token,id:token". The tokens of a repeated id are alternatives, for
// rotation. The id "*" has the tokens of all ids without an entry.
type Tokens map[string][]string

// Decode reads tokens from an environment variable. Its errors say which entry is wrong and never quote it.
func (t *Tokens) Decode(value string) error {
	tokens := Tokens{}
	for i, entry := range splitList(value) {
		id, token, ok := strings.Cut(entry, ":")
		if id, token = strings.TrimSpace(id), strings.TrimSpace(token); !ok || id == "" || token == "" {
			return fmt.Errorf("entry %d is not of the form id:token (entries are separated by commas, the first colon ends the id)", i+1)
		}
		if id == token {
			return fmt.Errorf("entry %d uses the id as its token, which is not a secret", i+1)
		}
		if len(token) > maxSecret {
			return fmt.Errorf("entry %d is longer than 8 KiB", i+1)
		}
		tokens[id] = append(tokens[id], token)
	}
	if len(tokens) == 0 {
		return errors.New("holds no id:token entry")
	}
	*t = tokens
	return nil
}

// For returns the tokens that authenticate id: its own, else those of "*".
func (t Tokens) For(id string) []string {
	if own := t[id]; len(own) > 0 {
		return own
	}
	return t["*"]
}

// Values returns every token.
func (t Tokens) Values() []string {
	var all []string
	for _, tokens := range t {
		all = append(all, tokens...)
	}
	return all
}

// SecretList is one or more secrets, separated by commas; the first is used, the others are still accepted during rotation.
type SecretList []string

// Decode reads secrets from an environment variable.
func (l *SecretList) Decode(value string) error {
	list := splitList(value)
	if len(list) == 0 {
		return errors.New("holds no secret")
	}
	for i, secret := range list {
		if len(secret) > maxSecret {
			return fmt.Errorf("entry %d is longer than 8 KiB", i+1)
		}
	}
	*l = list
	return nil
}

// maxSecret is the length in bytes of the longest secret that authenticates anything, so that a stranger's is not hashed for each org
// whatever its length.
const maxSecret = 8 << 10

// MatchesAny reports in constant time whether got is one of want; its duration reveals only how many candidates there are. A got that is
// empty, or longer than 8 KiB, matches nothing.
func MatchesAny(got string, want []string) bool {
	if len(got) > maxSecret {
		return false
	}
	sum, found := sumOf(got), 0
	for _, candidate := range want {
		other := sumOf(candidate)
		found |= subtle.ConstantTimeCompare(sum[:], other[:])
	}
	return found == 1 && got != ""
}

// sumOf returns the hash of a secret, without an allocation for one of ordinary length.
func sumOf(secret string) [sha256.Size]byte {
	return sha256.Sum256(append(make([]byte, 0, 128), secret...))
}

func splitList(value string) []string {
	var list []string
	for entry := range strings.SplitSeq(value, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			list = append(list, entry)
		}
	}
	return list
}
