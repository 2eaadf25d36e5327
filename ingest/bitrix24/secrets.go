package bitrix24

import (
	"net/url"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// credentials are the names of auth that must never be kept. An access token is there when a known user made the change.
var credentials = []string{"access_token", "refresh_token", "application_token", "client_secret", "authorization"}

// secrets returns where the callbacks of Bitrix24 carry credentials: in auth, whose members a form writes into one name.
func secrets(configured []string) ingest.Secrets {
	s := ingest.Secrets{
		Values:  configured,
		Derived: func(cb ingest.Callback) []string { return append(escaped(configured), credentialsOf(cb.Body)...) },
	}
	for _, name := range credentials {
		s.Names = append(s.Names, "auth."+name, `*\[`+name+`\]*`)
	}
	return s
}

// escaped returns configured secrets as forms and URLs spell them.
func escaped(configured []string) []string {
	var all []string
	for _, secret := range configured {
		all = append(all, url.QueryEscape(secret), url.PathEscape(secret))
	}
	return all
}

// credentialsOf returns the values of a form that stand under the names of credentials, as they are spelled and as they
// read, however much of the rest is broken.
func credentialsOf(form []byte) []string {
	var all []string
	for pair := range strings.SplitSeq(string(form), "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || !slices.ContainsFunc(brackets(strings.ToLower(name)), isCredential) {
			continue
		}
		if all = append(all, value); strings.ContainsAny(value, "%+") {
			if plain, err := url.QueryUnescape(value); err == nil {
				all = append(all, plain)
			}
		}
	}
	return all
}

func isCredential(name string) bool { return slices.Contains(credentials, name) }
