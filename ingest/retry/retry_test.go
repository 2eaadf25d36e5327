package retry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// Pauses grow up to the longest, are never shorter than the server asks for, and the last error is returned.
func TestRetryPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		err := Policy{Attempts: 6, Longest: 4 * time.Second}.Do(t.Context(), func() (bool, time.Duration, error) {
			at = append(at, time.Since(began))
			after := time.Duration(0)
			if len(at) == 5 {
				after = time.Hour
			}
			return true, after, fmt.Errorf("attempt %d", len(at))
		})
		if err == nil || err.Error() != "attempt 6" || len(at) != 6 {
			t.Fatalf("after %d attempts: %v", len(at), err)
		}
		for n, longest := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
			if pause := at[n+1] - at[n]; pause < longest/2 || pause > longest {
				t.Errorf("pause %d is %s", n+1, pause)
			}
		}
		if pause := at[5] - at[4]; pause != 4*time.Second {
			t.Errorf("a pause that the server asked for is %s", pause)
		}
	})
}

// What is in vain is not attempted again, and no pause is begun that ctx would end.
func TestRetryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong, attempts := errors.New("wrong"), 0
		attempt := func(again bool) func() (bool, time.Duration, error) {
			return func() (bool, time.Duration, error) { attempts++; return again, 10 * time.Second, wrong }
		}
		if err := (Policy{Attempts: 5}).Do(t.Context(), attempt(false)); !errors.Is(err, wrong) || attempts != 1 {
			t.Errorf("%d attempts, %v", attempts, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		began := time.Now()
		attempts = 0
		err := Policy{Attempts: 5}.Do(ctx, attempt(true))
		if !errors.Is(err, wrong) || !errors.Is(err, context.DeadlineExceeded) || attempts != 2 || time.Since(began) != 10*time.Second {
			t.Errorf("%d attempts in %s, %v", attempts, time.Since(began), err)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0, "Mon, 30 Nov 2026 10:00:30 GMT": 30 * time.Second, "Mon, 30 Nov 2026 09:00:00 GMT": 0,
	} {
		header := http.Header{"Retry-After": {value}, "Date": {"Mon, 30 Nov 2026 10:00:00 GMT"}}
		if got := After(header); got != want {
			t.Errorf("%q: %s", value, got)
		}
	}
}
