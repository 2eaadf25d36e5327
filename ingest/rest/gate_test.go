package rest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A closed gate is waited for, unless that takes too long; a shorter time does not open it earlier.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gate Gate
		if err := gate.Pass(t.Context(), 0); err != nil {
			t.Error(err)
		}
		began := time.Now()
		gate.Close(time.Minute)
		gate.Close(time.Second)
		if err := gate.Pass(t.Context(), 30*time.Second); err == nil || !strings.Contains(err.Error(), "nothing is asked until 2000-01-01T00:01:00Z") {
			t.Errorf("%v", err)
		}
		if err := gate.Pass(t.Context(), time.Hour); err != nil || time.Since(began) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// An API that names an absurd time does not close the gate until the bridge is restarted.
func TestGateOpensWithinADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gate Gate
		gate.Close(1 << 62)
		time.Sleep(24 * time.Hour)
		if err := gate.Pass(t.Context(), 0); err != nil {
			t.Error(err)
		}
	})
}
