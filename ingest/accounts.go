package ingest

import (
	"errors"
	"fmt"
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

// Check returns an ErrIgnored unless an account is accepted. It says which account is missing from the variable that lists them.
func (a AccountIDs) Check(id, variable string) error {
	switch {
	case a.Accepts(id):
		return nil
	case !accountID.MatchString(id): // it could not be configured
		return ErrIgnored
	}
	return fmt.Errorf("%w: %s does not name %s", ErrIgnored, variable, id)
}
