package simulate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// stage is a simulation of each CRM that has one, served on loopback.
type stage struct {
	life time.Duration // of subscriptions
	crms []*simulatedCRM
}

// simulatedCRM is a CRM in memory.
type simulatedCRM struct {
	*ingest.Simulation
	Provider, Name, URL string

	open   bridge.Opener
	faults *faults
	server *http.Server
	served chan error
}

// openStage serves the simulations until close.
func openStage(ctx context.Context, life time.Duration) (s *stage, err error) {
	s = &stage{life: life}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	for _, crm := range bridge.Known() {
		if crm.Simulate == nil {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return s, err
		}
		url := "http://" + listener.Addr().String()
		one := &simulatedCRM{
			Simulation: crm.Simulate(url, life), Provider: crm.Provider, Name: crm.Words.Name, URL: url,
			open: bridge.OpenerOf(crm.Provider), served: make(chan error, 1),
		}
		one.faults = &faults{next: one.API}
		one.server = &http.Server{Handler: one.faults, ReadHeaderTimeout: 5 * time.Second}
		go func() { one.served <- one.server.Serve(listener) }()
		s.crms = append(s.crms, one)
	}
	if len(s.crms) == 0 {
		return s, errors.New("no CRM can be simulated")
	}
	return s, nil
}

// close stops serving.
func (s *stage) close() (err error) {
	for _, one := range s.crms {
		err = errors.Join(err, one.server.Close())
		if failed := <-one.served; !errors.Is(failed, http.ErrServerClosed) {
			err = errors.Join(err, fmt.Errorf("the simulated %s: %w", one.Name, failed))
		}
	}
	return err
}

// variables are those of a bridge that keeps subscriptions in all simulations, beside its own.
func (s *stage) variables(own map[string]string) map[string]string {
	all := maps.Clone(own)
	for _, one := range s.crms {
		maps.Copy(all, one.Variables)
	}
	all["BRIDGE_PUBLIC_URL"] = "http://" + own["BRIDGE_LISTEN"]
	return all
}

// openers open the CRMs that are simulated. Subscriptions are looked at after two thirds of their life.
func (s *stage) openers() (all []bridge.Opener) {
	for _, one := range s.crms {
		all = append(all, hurried(one.open, s.life/3*2))
	}
	return all
}

// begin has the simulations know of a bridge that answers.
func (s *stage) begin(b *bridge.Bridge) (err error) {
	for _, one := range s.crms {
		if one.Begin == nil {
			continue
		}
		if failed := one.Begin("http://" + bridge.Reachable(b.Callbacks)); failed != nil {
			err = errors.Join(err, fmt.Errorf("the simulated %s: %w", one.Name, failed))
		}
	}
	return err
}

// alive reports whether the subscription in every simulation is alive.
func (s *stage) alive() bool {
	for _, one := range s.crms {
		if !one.Alive() {
			return false
		}
	}
	return true
}

// faults answers what a CRM's API is asked with an error, for as long as that was told.
type faults struct {
	next http.Handler

	mu     sync.Mutex
	status int
	until  time.Time
}

// retryAfter is the pause in seconds that a failing API asks for.
const retryAfter = 5

// fail has every request answered with a status for a time.
func (f *faults) fail(status int, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status, f.until = status, time.Now().Add(d)
}

// now returns the status that requests are answered with now, and how much longer; 0: they are answered by the CRM.
func (f *faults) now() (status int, left time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if left = time.Until(f.until); left <= 0 {
		return 0, 0
	}
	return f.status, left
}

// ServeHTTP implements http.Handler.
func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if status, _ := f.now(); status != 0 {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		http.Error(w, http.StatusText(status), status)
		return
	}
	f.next.ServeHTTP(w, r)
}
