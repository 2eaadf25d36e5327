// Package bitrix24test is a Bitrix24 to test against: its OAuth server and its portals, written after the REST documents and
// without a look at the client.
package bitrix24test

import (
	"crypto/md5" //nolint:gosec // as the portal digests an offline event
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// CRM is a fake of Bitrix24: its OAuth server and the REST API of its portals, as the REST documents
// (bitrix24/b24restdocs) and the on-premise source describe them. It answers below URL, as an http.Handler, and it knows
// nothing of the client that it tests. Make it with NewBitrix24.
type CRM struct {
	URL                    string       // where it is served, without a slash at the end
	ClientID, ClientSecret string       // of the one application
	Callbacks              *http.Client // posts events to handlers; nil: nobody hears them

	// AllowOldRefreshTokens has refresh tokens work again after they were used; the documents do not say whether they do.
	AllowOldRefreshTokens bool
	NoDate                bool          // answers carry no Date header
	Skew                  time.Duration // how far the portals' clocks are ahead of ours
	Delay                 time.Duration // before each answer of a portal

	mu      sync.Mutex
	portals map[string]*Portal
	refresh map[string]*Portal // refresh tokens that work
	serial  int
	faults  []*fault
	calls   map[string]int
}

// New returns a fake without portals.
func New(url string) *CRM {
	return &CRM{
		URL: url, ClientID: "local.573ad8a0346747.09223434", ClientSecret: "LJSl0lNB76B5YY6u0YVQ3AW0DrVADcRTwVr4y99PXU1BWQybWK",
		portals: map[string]*Portal{}, refresh: map[string]*Portal{}, calls: map[string]int{},
	}
}

// Portal is one account of Bitrix24.
type Portal struct {
	Member, Domain string
	Endpoint       string  // client_endpoint as the OAuth server tells it
	Extended       bool    // the licence has rest_offline_extended
	Admin          bool    // whose tokens the application has may administer the portal
	Threshold      int     // requests at once before QUERY_LIMIT_EXCEEDED ("Others" in the documents: 50, less 2 a second)
	Operating      float64 // seconds for which each method has worked in ten minutes, as batches say

	crm      *CRM
	token    string               // application_token
	access   map[string]time.Time // access tokens, and when they expire
	handlers []boundHandler
	queue    []queuedEvent
	queueID  int
	records  map[int]map[int]*Record // by entity type and id
	level    float64                 // of the leaky bucket
	leaked   time.Time
	left     string // the domain before the last move
	dropped  int    // callbacks still to be lost on their way
	missed   int    // callbacks that no handler took
}

// Portal adds a portal, or returns the one that is there.
func (b *CRM) Portal(member string) *Portal {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, ok := b.portals[member]; ok {
		return p
	}
	domain := fmt.Sprintf("portal-%d.bitrix24.test", len(b.portals)+1)
	p := &Portal{
		Member: member, Domain: domain, Endpoint: b.URL + "/" + domain + "/rest/", Extended: true, Admin: true, Threshold: 50,
		crm: b, access: map[string]time.Time{}, records: map[int]map[int]*Record{}, leaked: time.Now(),
	}
	b.portals[member] = p
	return p
}

// Move gives the portal another address. The old one redirects, to the page that was asked for (change-domen.md).
func (p *Portal) Move(domain string) {
	p.crm.mu.Lock()
	defer p.crm.mu.Unlock()
	p.left, p.Domain, p.Endpoint = p.Domain, domain, p.crm.URL+"/"+domain+"/rest/"
}

// secret returns a fresh token of the shape that Bitrix24 gives. The lock is held.
func (b *CRM) secret(kind string) string {
	b.serial++
	sum := md5.Sum(fmt.Appendf(nil, "%s %d %s", kind, b.serial, b.ClientSecret)) //nolint:gosec // nothing to protect
	return hex.EncodeToString(sum[:])
}

// fault is an answer that the fake gives in the place of its own.
type fault struct {
	method      string
	times       int
	status      int // 0: the connection breaks
	code, words string
	after       bool // the call is done all the same
}

// Refuse has the next calls of a method ("oauth" for the OAuth server) answered with an error.
func (b *CRM) Refuse(method string, times, status int, code, description string) {
	b.inject(&fault{method: method, times: times, status: status, code: code, words: description})
}

// Break has the connection break on the next calls of a method, before anything is done.
func (b *CRM) Break(method string, times int) { b.inject(&fault{method: method, times: times}) }

// LoseAnswers has the next calls of a method done, and their answers lost.
func (b *CRM) LoseAnswers(method string, times int) {
	b.inject(&fault{method: method, times: times, after: true})
}

func (b *CRM) inject(f *fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, f)
}

// Calls returns how often a method was called, in vain or not.
func (b *CRM) Calls(method string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[method]
}

// ServeHTTP implements http.Handler. An http.ErrAbortHandler panic is a connection that breaks.
func (b *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.NoDate {
		w.Header().Set("Date", b.now().Format(http.TimeFormat))
	} else {
		w.Header()["Date"] = nil // or a server would add its own
	}
	if r.URL.Path == "/oauth/token/" {
		status, body := b.faulty("oauth", func() (int, any) { return b.oauth(r.URL.Query()) })
		answerJSON(w, status, body)
		return
	}
	for _, p := range b.portals {
		if rest, ok := strings.CutPrefix(r.URL.Path, "/"+p.left+"/rest/"); ok && p.left != "" {
			http.Redirect(w, r, p.Endpoint+rest, http.StatusFound) //nolint:gosec // to a portal of its own
			return
		}
		rest, ok := strings.CutPrefix(r.URL.Path, "/"+p.Domain+"/rest/")
		if !ok {
			continue
		}
		method := strings.TrimSuffix(rest, ".json")
		if b.Delay > 0 {
			b.mu.Unlock()
			time.Sleep(b.Delay)
			b.mu.Lock()
		}
		status, body := b.faulty(method, func() (int, any) { return p.rest(method, r) })
		answerJSON(w, status, body)
		return
	}
	http.NotFound(w, r)
}

// now is the time by the portals' clocks.
func (b *CRM) now() time.Time { return time.Now().Add(b.Skew).UTC() }

// faulty calls do unless a fault stands in for it.
func (b *CRM) faulty(method string, do func() (int, any)) (int, any) {
	b.calls[method]++
	for _, f := range b.faults {
		if f.method != method || f.times <= 0 {
			continue
		}
		f.times--
		if f.after {
			do()
		}
		if f.after || f.status == 0 {
			panic(http.ErrAbortHandler)
		}
		return f.status, restError(f.code, f.words)
	}
	return do()
}

func restError(code, description string) map[string]any {
	return map[string]any{"error": code, "error_description": description}
}

// answerJSON writes JSON as PHP does, with its slashes escaped.
func answerJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(strings.ReplaceAll(string(text), "/", `\/`)))
}

// portalTime writes a time as portals do: to the second, in the zone of the server.
func portalTime(t time.Time) string {
	return t.In(time.FixedZone("", 3*3600)).Format("2006-01-02T15:04:05-07:00")
}
