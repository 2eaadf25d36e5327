package e2e

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/crm-bridge/crm-bridge/schemas"
)

// A service that writes to the CRM writes once for each change of another, and not for its own, whether or not the CRM says who made the
// change; a change that became one state with the service's own is not missed.
func TestAServiceIgnoresItsOwnEcho(t *testing.T) {
	const small, large, person, own = "100", "90000", "1", "2"
	for _, test := range []struct {
		name           string
		rating, amount string
		by             string
		changed        []string
		want           int
	}{
		{"a change by a person", "cold", large, person, []string{"Amount"}, 1},
		{"its own write", "hot", large, own, []string{"Rating"}, 0},
		{"its own write, and its rule has changed since", "cold", large, own, []string{"Rating"}, 0},
		{"a change by a person, then its own write, in one state", "cold", large, own, []string{"Amount", "Rating"}, 1},
		{"a change that needs no other rating", "cold", small, person, []string{"Amount"}, 0},
		{"a change by somebody", "cold", large, "", []string{"Amount"}, 1},
		{"a rating that a person has set", "hot", small, person, []string{"Rating"}, 1},
		{"no amount", "hot", "null", person, []string{"Amount"}, 1},
	} {
		for _, says := range []bool{true, false} { // who made the change of the echo
			writes := 0
			r := rater{user: own, rate: func(amount json.Number) string {
				if amount == large {
					return "hot"
				}
				return "cold"
			}}
			r.write = func(_, rating string) error {
				writes++
				echo := schemas.Record{ID: "7", After: deal(test.amount, rating), Changed: []string{"Rating"}}
				if says {
					echo.ChangedBy = own
				}
				return r.take(echo)
			}
			if err := r.take(schemas.Record{ID: "7", After: deal(test.amount, test.rating), Changed: test.changed, ChangedBy: test.by}); err != nil {
				t.Fatal(err)
			}
			if writes != test.want {
				t.Errorf("%s, with its user in the echo: %t: %d writes", test.name, says, writes)
			}
		}
	}
	deleted := rater{user: own}
	if err := deleted.take(schemas.Record{ID: "7", ChangedBy: person}); err != nil {
		t.Error(err)
	}
}

func deal(amount, rating string) json.RawMessage {
	return fmt.Appendf(nil, `{"Amount":%s,"Rating":%q}`, amount, rating)
}
