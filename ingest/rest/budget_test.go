package rest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// Of the last tenth of a day's budget nothing is spent on records, but one read in five minutes, until there is more again.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var budget rest.Budget
		check := func(when string, scarce, spent bool) {
			t.Helper()
			if got := budget.Spent("tokens"); budget.Scarce() != scarce || (got != nil) != spent {
				t.Errorf("%s: scarce %t, %v", when, budget.Scarce(), got)
			}
		}
		check("nothing is known", false, false)
		budget.Count(30_000, 30_000)
		budget.Count(3_000, 3_000)
		check("a tenth is left", false, false)
		budget.Count(2_999, 0)
		check("less is left", true, true)
		if got := budget.Spent("tokens"); got.Until != time.Now().Add(5*time.Minute) || got.Budget != "2999 tokens are left, less than a tenth of the day's" {
			t.Errorf("%v", got)
		}
		time.Sleep(5 * time.Minute)
		check("five minutes later", true, false)
		check("after that read", true, true)
		budget.Count(30_000, 30_000)
		check("the next day", false, false)
		budget.Count(0, 0)
		check("nothing is left", true, true)
		budget.Forget()
		check("it is not said any more", false, false)
	})
}
