package records

import (
	"fmt"
	"net/url"
	"strings"
)

// Key names a record.
type Key struct{ Provider, Account, Module, ID string }

// Subject returns the subject of a record's states.
func Subject(prefix string, k Key) string { return subjectOf(prefix, k, token(k.Account)) }

func subjectOf(prefix string, k Key, account string) string {
	return strings.Join([]string{prefix + "-records", k.Provider, account, k.Module, token(k.ID)}, ".")
}

// accountOf returns the account of the subject of a record's states.
func accountOf(subject string) string {
	account := strings.Split(subject, ".")[2]
	if text, err := url.PathUnescape(strings.ReplaceAll(account, "=", "%")); err == nil {
		return text
	}
	return account // of another program
}

// Filter matches the subjects of a record's states, whatever their prefix is. An empty account is any.
func Filter(k Key) string {
	account := "*"
	if k.Account != "" {
		account = token(k.Account)
	}
	return strings.Join([]string{"*", k.Provider, account, k.Module, token(k.ID)}, ".")
}

// token writes bytes that a token of a subject should not have as =XX.
func token(text string) string {
	var out strings.Builder
	for _, b := range []byte(text) {
		if b == '-' || b == '_' || '0' <= b && b <= '9' || 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' {
			out.WriteByte(b)
		} else {
			fmt.Fprintf(&out, "=%02X", b)
		}
	}
	return out.String()
}
