package ingest

import (
	"errors"
	"regexp"
	"slices"
)

// AccountIDs are the CRM's ids of accounts, such as companies or portals.
type AccountIDs []string

var accountID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// Decode reads ids from an environment variable.
func (a *AccountIDs) Decode(value string) error {
	ids := splitList(value)
	if slices.ContainsFunc(ids, func(id string) bool { return !accountID.MatchString(id) }) {
		return errors.New("must be ids as the CRM gives them, separated by commas (not domains, which can change)")
	}
	*a = ids
	return nil
}

// Accepts reports whether an account is one of them, or none is named.
func (a AccountIDs) Accepts(id string) bool { return len(a) == 0 || slices.Contains(a, id) }
