package rest_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// What is too much for a request is halved down to one id, which is refused alone. Another error ends it.
func TestHalve(t *testing.T) {
	tooMany, broken := errors.New("too many"), errors.New("broken")
	halve := func(ids []string, do func(ids []string) error) (asked []string, refused map[string]error, err error) {
		refused = map[string]error{}
		err = rest.Halve(ids, refused, func(err error) bool { return errors.Is(err, tooMany) }, func(ids []string) error {
			asked = append(asked, fmt.Sprint(ids))
			return do(ids)
		})
		return asked, refused, err
	}
	asked, refused, err := halve([]string{"a", "b", "c", "d", "e"}, func(ids []string) error {
		if len(ids) > 2 || ids[0] == "c" {
			return tooMany
		}
		return nil
	})
	if got := fmt.Sprint(asked); err != nil || got != "[[a b c d e] [a b] [c d e] [c] [d e]]" || len(refused) != 1 || refused["c"] == nil {
		t.Errorf("asked %s, refused %v: %v", got, refused, err)
	}
	asked, refused, err = halve([]string{"a", "b", "c"}, func(ids []string) error {
		if len(ids) > 1 {
			return tooMany
		}
		return broken
	})
	if !errors.Is(err, broken) || len(asked) != 2 || len(refused) != 0 {
		t.Errorf("asked %q, refused %v: %v", asked, refused, err)
	}
}
