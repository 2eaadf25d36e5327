package records_test

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Of each module it is known how many states were stored, and while the CRM does not answer why, and when it is asked again.
func TestKept(t *testing.T) {
	h := open(t, 1)
	k, _ := h.keep()
	h.ready()
	if all := k.Kept(); len(all) != 1 || all[0].Module != "Deals" || all[0].Account != "" || all[0].Stored != 0 {
		t.Errorf("before the first event: %+v", all)
	}
	h.tell(change{id: "1", operation: "create", at: h.set("1", "New")})
	h.settled()
	if all := k.Kept(); len(all) != 1 || all[0].Account == "" || all[0].Stored != 1 || !all[0].Until.IsZero() || all[0].Problem != "" {
		t.Errorf("after an event: %+v", all)
	}
	h.mu.Lock()
	h.fails = func() error { return errors.New("the CRM does not answer") }
	h.mu.Unlock()
	h.tell(change{id: "1", operation: "edit", at: h.set("1", "Won")})
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		one := k.Kept()[0]
		if strings.Contains(one.Problem, "the CRM does not answer") && !one.Until.IsZero() && one.Lag > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("while the CRM does not answer: %+v", one)
		}
	}
}
