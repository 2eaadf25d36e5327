package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// unreliable is a Zoho CRM whose callbacks are lost, late or sent twice, and whose API fails or is slow at times.
type unreliable struct {
	*zohotest.CRM
	loses   bool // some callbacks while the bridge takes them
	repeats bool // callbacks until they are answered with 200; nothing is listed, so that nothing else makes up for a lost event

	mu     sync.Mutex
	random *rand.Rand
	calm   bool            // nothing goes wrong any more
	failed map[string]bool // paths whose last request failed: the next one does not
	bridge []string        // hosts of the replicas, in front of which a balancer stands

	late    sync.WaitGroup
	moments [2]atomic.Pointer[chan struct{}]
}

// A moment is one at which a test ends a bridge.
type moment int

const (
	taken   moment = iota // a callback was answered with 200, and its record is not read yet
	reading               // the answer with a record is on its way
)

// next returns what is closed at the next such moment.
func (u *unreliable) next(m moment) <-chan struct{} {
	at := make(chan struct{})
	u.moments[m].Store(&at)
	return at
}

// reached closes what waits for a moment, and reports whether something did.
func (u *unreliable) reached(m moment) bool {
	at := u.moments[m].Swap(nil)
	if at != nil {
		close(*at)
	}
	return at != nil
}

// chance reports true so many times of a hundred, and never once it is calm.
func (u *unreliable) chance(percent int) bool { return u.number(100) < percent && !u.isCalm() }

func (u *unreliable) number(n int) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.random.IntN(n)
}

func (u *unreliable) isCalm() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.calm
}

// calmDown ends all failures, and returns when the late callbacks were sent.
func (u *unreliable) calmDown() {
	u.setCalm(true)
	u.late.Wait()
}

func (u *unreliable) setCalm(calm bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.calm = calm
}

// fails reports whether a request is to fail. No path fails twice in a row, so that a retry succeeds and the test is short.
func (u *unreliable) fails(path string) bool {
	fails := u.chance(12)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.failed == nil {
		u.failed = map[string]bool{}
	}
	fails = fails && !u.failed[path]
	u.failed[path] = fails
	return fails
}

// ServeHTTP is the API.
func (u *unreliable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	post := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/watch") // the bridge repeats it after a minute
	if !post && u.fails(r.URL.Path) {
		failure := []zohotest.Failure{zohotest.ZohoBusy, zohotest.ZohoBroken, zohotest.ZohoProxy, zohotest.ZohoHang}[u.number(4)]
		if failure.Hang { // until a gateway gives up
			u.pause(r, 1000)
			failure = zohotest.Failure{Status: http.StatusGatewayTimeout}
		}
		w.WriteHeader(failure.Status)
		_, _ = w.Write([]byte(failure.Body))
		return
	}
	if u.repeats && (strings.HasSuffix(r.URL.Path, "/deleted") || strings.HasSuffix(r.URL.Path, "/Deals") && !r.URL.Query().Has("ids")) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	answer := httptest.NewRecorder()
	u.CRM.ServeHTTP(answer, r)
	switch { // the answer is on its way while records change
	case r.URL.Query().Has("ids") && u.reached(reading):
		u.pause(r, 500)
	case u.chance(30):
		u.pause(r, u.number(700))
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func (u *unreliable) pause(r *http.Request, ms int) {
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
	case <-r.Context().Done():
	}
}

// RoundTrip sends a callback, unless it is lost.
func (u *unreliable) RoundTrip(r *http.Request) (*http.Response, error) {
	lost := u.chance(15)
	switch {
	case lost && u.loses:
		return nil, fmt.Errorf("the callback is lost")
	case u.chance(20):
		pause := time.Duration(u.number(2500)) * time.Millisecond
		u.late.Go(func() {
			<-time.After(pause)
			u.drop(u.send(r))
		})
	case u.chance(10):
		u.drop(u.send(r))
	}
	response, err := u.send(r)
	if u.repeats && (err != nil || response.StatusCode != http.StatusOK) {
		u.late.Go(func() { u.repeat(r) })
	}
	return response, err
}

func (u *unreliable) repeat(callback *http.Request) {
	for callback.Context().Err() == nil {
		<-time.After(50 * time.Millisecond)
		response, err := u.send(callback)
		u.drop(response, err)
		if err == nil && response.StatusCode == http.StatusOK {
			return
		}
	}
}

func (u *unreliable) drop(response *http.Response, err error) {
	if err == nil {
		_ = response.Body.Close()
	}
}

// send sends a callback by a balancer, which tries the next replica when one takes no connection.
func (u *unreliable) send(callback *http.Request) (response *http.Response, err error) {
	u.mu.Lock()
	hosts := slices.Clone(u.bridge)
	u.random.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	u.mu.Unlock()
	for _, host := range hosts {
		r := callback.Clone(callback.Context())
		if r.Body, err = callback.GetBody(); err != nil {
			return nil, err
		}
		r.URL.Host = host
		if response, err = http.DefaultTransport.RoundTrip(r); err == nil {
			if response.StatusCode == http.StatusOK {
				u.reached(taken)
			}
			return response, nil
		}
		if !strings.Contains(err.Error(), "connection refused") {
			break
		}
	}
	return nil, err
}

// change creates, edits and deletes so many deals, and calls each with how many are done.
func (u *unreliable) change(random *rand.Rand, changes int, each func(done int)) {
	var deals []string
	values := func(n int) map[string]any {
		return map[string]any{"Deal_Name": fmt.Sprint("deal ", n), "Stage": fmt.Sprint("stage ", random.IntN(5)), "Amount": n}
	}
	for n := range changes {
		i := 0
		if len(deals) > 0 {
			i = random.IntN(len(deals))
		}
		switch what := random.IntN(100); { // the bridge may be down: callbacks fail
		case len(deals) < 4 || what < 12:
			id, _ := u.Create("Deals", values(n))
			deals = append(deals, id)
		case what < 22:
			_ = u.Delete("Deals", deals[i])
			deals = slices.Delete(deals, i, i+1)
		default:
			_ = u.Update("Deals", deals[i], values(n))
		}
		each(n + 1)
		<-time.After(time.Duration(random.IntN(80)) * time.Millisecond)
	}
}
