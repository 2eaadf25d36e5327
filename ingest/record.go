package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Record is a whole record, as the CRM had it when it was read or when its callback was sent.
type Record struct {
	ID         string          // in the CRM, of its module
	Values     json.RawMessage // a JSON object, every digit as the CRM wrote it
	ModifiedAt time.Time       // by the CRM's clock; zero: it does not say
	ChangedBy  string          // the CRM's id of who last changed it; empty if unknown
}

// Reader reads records by their ids from the CRM's API.
type Reader interface {
	// Read returns those of the records that exist now. It takes at most MaxRead ids, each once. Its error is ErrUnreadable where another
	// attempt does not help, a Spent where one is of no use before its Until, and any other where one may succeed.
	Read(ctx context.Context, account, module string, ids []string) (Found, error)
}

// MaxRead bounds the ids that a Reader is asked for at once.
const MaxRead = 100

// Found is what a Reader found. An id in neither map has no record: it was deleted, or it never existed.
type Found struct {
	Records map[string]Record
	Refused map[string]error // why the CRM does not show a record that may exist, by id; another attempt does not help
}

// ErrUnreadable says that the CRM does not show records of a module, and that another attempt does not help.
var ErrUnreadable = errors.New("cannot be read")

// Spent says that a budget of the CRM's API is used up, or kept for what matters more.
type Spent struct {
	Budget string // such as "credits: 480 of 5000 are left"
	Until  time.Time
}

func (s *Spent) Error() string {
	return fmt.Sprintf("the API's budget is used up (%s); records are read again from %s on", s.Budget, s.Until.UTC().Format(time.RFC3339))
}

// Modules are names of modules, read from "Deals,Contacts"; "all" stands for those that the CRM's callbacks are subscribed for.
type Modules []string

// AllModules is the word for the modules that the bridge subscribes to.
const AllModules = "all"

// Decode reads modules from an environment variable.
func (m *Modules) Decode(value string) error {
	var all Modules
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if err := CheckModule(name); err != nil {
			return fmt.Errorf("%q is not the name of a module", name)
		}
		all = append(all, name)
	}
	*m = all
	return nil
}

// Kept returns Of(subjects). It is an error if "all" stands for nothing: subjects come from another variable, which is not set.
func (m Modules) Kept(subjects []string, from string) ([]string, error) {
	if len(subjects) == 0 && slices.ContainsFunc(m, func(module string) bool { return strings.EqualFold(module, AllModules) }) {
		return nil, fmt.Errorf("%q stands for the modules of %s, which is not set; name the modules", AllModules, from)
	}
	return m.Of(subjects), nil
}

// Of returns the modules, with those of subjects (<Module>.<operation>) instead of "all", each once.
func (m Modules) Of(subjects []string) []string {
	var all []string
	seen := map[string]bool{}
	add := func(module string) {
		if !seen[module] {
			seen[module], all = true, append(all, module)
		}
	}
	for _, module := range m {
		if !strings.EqualFold(module, AllModules) {
			add(module)
			continue
		}
		for _, subject := range subjects {
			module, _, _ := strings.Cut(subject, ".")
			add(module)
		}
	}
	return all
}
