package records

import (
	"context"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/publish"
)

// States are the states of records, for those who look them up. Set the fields once.
type States struct {
	Conn   *publish.Conn
	Stream string // of events
	Table  string // the stream of states, such as CRM_RECORDS
	Prefix string // of the subjects of events
}

// Modules returns the modules of a provider whose records a bridge keeps, sorted; none: it keeps none.
func (s *States) Modules(ctx context.Context, provider string) ([]string, error) {
	subjects, err := s.Conn.FeedSubjects(ctx, s.Stream, consumer(provider))
	var modules []string
	for _, subject := range subjects {
		if tokens := strings.Split(subject, "."); len(tokens) > 2 {
			modules = append(modules, tokens[2])
		}
	}
	slices.Sort(modules)
	return modules, err
}

// Accounts returns the accounts in which a record has states, sorted. The key's own account does not matter.
func (s *States) Accounts(ctx context.Context, k Key) ([]string, error) {
	subjects, err := s.Conn.Filled(ctx, s.Table, subjectOf(s.Prefix, k, "*"))
	var accounts []string
	for _, subject := range subjects {
		accounts = append(accounts, accountOf(subject))
	}
	slices.Sort(accounts)
	return accounts, err
}

// History returns the states that the stream has of a record, oldest first.
func (s *States) History(ctx context.Context, k Key) ([]publish.Stored, error) {
	return s.Conn.History(ctx, s.Table, Subject(s.Prefix, k))
}
