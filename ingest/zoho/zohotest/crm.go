// Package zohotest is a Zoho CRM to test against: its accounts server and its API, written after Zoho's documents and without a
// look at the client.
package zohotest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// CRM is a Zoho CRM for tests: its accounts server and its API, versions v2 to v8, written after Zoho's documents
// and after what was seen of it, and without a look at the client. Serve it with httptest.Server or with Direct. Set
// the fields before its first request, and change them only through its methods.
type CRM struct {
	ClientID, ClientSecret, RefreshToken string

	Modules   []string          // API names; nil: Leads, Contacts, Accounts, Deals and CustomModule1
	Callbacks http.RoundTripper // takes callbacks to the notify URLs; nil: none is sent
	NoDate    bool              // answers carry no Date header
	NoScope   bool              // the scope ZohoCRM.settings.fields.READ was not granted
	Strict    bool              // an expiry that is too far away is INVALID_DATA, as one user of v3 saw
	Revives   bool              // PATCH and PUT bring back a channel whose time is over, where Zoho was seen to refuse
	Longest   time.Duration     // that a channel may live; 0: as the version's document says
	After     bool              // If-Modified-Since leaves out what was modified at that very second
	Grants    time.Duration     // how long a channel lives, whatever is wished; 0: as the documents say
	Lag       time.Duration     // after which a change is listed
	Credits   int               // API credits that are left; 0: they are not counted
	MostIDs   int               // that a request may name; 0: 100
	Delay     time.Duration     // before each answer

	mu       sync.Mutex
	skew     time.Duration
	tokens   map[string]time.Time // access tokens, and when they end
	made     []time.Time          // when access tokens were asked for
	refused  int                  // how many were asked for beyond the limit
	channels map[string]*channel
	lives    []*Life
	records  map[string]map[string]*entry // by module and id
	pages    map[string]pagePosition      // page tokens that were given
	nextID   int
	failures []Failure
	dropped  int
	requests []string
}

// Failure is how a request fails.
type Failure struct {
	Status int    // answered without doing anything; 0: see Lost and Hang
	Body   string // of that answer
	Lost   bool   // it is done, but the connection breaks before the answer
	Hang   bool   // nothing is done, and nothing answered until the caller gives up
}

// Ways to fail that were seen of Zoho, or of the way to it.
var (
	ZohoBusy   = Failure{Status: http.StatusTooManyRequests, Body: `{"code":"TOO_MANY_REQUESTS","details":{},"message":"You have made too many API requests in a very short span of time","status":"error"}`}
	ZohoBroken = Failure{Status: http.StatusInternalServerError, Body: `{"code":"INTERNAL_ERROR","details":{},"message":"Internal Server Error","status":"error"}`}
	ZohoProxy  = Failure{Status: http.StatusBadGateway, Body: "<html><body>502 Bad Gateway</body></html>"}
	ZohoLost   = Failure{Lost: true}
	ZohoHang   = Failure{Hang: true}
)

// Fail makes the next requests fail, one each.
func (z *CRM) Fail(failures ...Failure) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.failures = append(z.failures, failures...)
}

// DropCallbacks loses the next n callbacks on their way.
func (z *CRM) DropCallbacks(n int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.dropped = n
}

// SetSkew says how far Zoho's clock is ahead of ours.
func (z *CRM) SetSkew(ahead time.Duration) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.skew = ahead
}

// Now is the time by Zoho's clock.
func (z *CRM) Now() time.Time {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.now()
}

// maxRequests bounds what Requests returns.
const maxRequests = 100_000

// Requests returns what was asked since the last call, such as "PATCH /crm/v8/actions/watch".
func (z *CRM) Requests() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	requests := z.requests
	z.requests = nil
	return requests
}

func (z *CRM) now() time.Time { return time.Now().Add(z.skew).UTC() }

// ServeHTTP implements http.Handler.
func (z *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if len(z.requests) == maxRequests { // a demo runs for weeks, and nobody asks for them
		z.requests = z.requests[1:]
	}
	z.requests = append(z.requests, r.Method+" "+r.URL.Path)
	if !z.NoDate {
		w.Header().Set("Date", z.now().Format(http.TimeFormat))
	} else {
		w.Header()["Date"] = nil // or a server would add its own
	}
	var failure Failure
	if len(z.failures) > 0 {
		failure, z.failures = z.failures[0], z.failures[1:]
	}
	if z.Delay > 0 {
		z.mu.Unlock()
		time.Sleep(z.Delay)
		z.mu.Lock()
	}
	if failure.Hang {
		z.mu.Unlock()
		<-r.Context().Done()
		z.mu.Lock()
		return
	}
	if failure.Status != 0 {
		w.WriteHeader(failure.Status)
		_, _ = w.Write([]byte(failure.Body))
		return
	}
	answer := z.route(r)
	if failure.Lost {
		panic(http.ErrAbortHandler)
	}
	z.credits(w)
	if answer.body == nil {
		w.WriteHeader(answer.status)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(answer.status)
	_ = json.NewEncoder(w).Encode(answer.body)
}

// credits counts a call. The header appears when half of them are used.
func (z *CRM) credits(w http.ResponseWriter) {
	if z.Credits == 0 {
		return
	}
	z.Credits = max(1, z.Credits-1)
	w.Header().Set("X-API-CREDITS-REMAINING", fmt.Sprint(z.Credits))
}

type answer struct {
	status int
	body   any
}

type object = map[string]any

func failed(status int, code, message string, details object) answer {
	if details == nil {
		details = object{}
	}
	return answer{status, object{"code": code, "details": details, "message": message, "status": "error"}}
}

var zohoVersions = []string{"v2", "v2.1", "v3", "v4", "v5", "v6", "v7", "v8"}

// since reports whether a version has what came with another.
func since(version, first string) bool {
	return slices.Index(zohoVersions, version) >= slices.Index(zohoVersions, first)
}

func (z *CRM) route(r *http.Request) answer {
	if strings.HasSuffix(r.URL.Path, "/token") {
		return z.token(r)
	}
	if end, ok := z.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Zoho-oauthtoken ")]; !ok || !end.After(z.now()) {
		return failed(http.StatusUnauthorized, "INVALID_TOKEN", "invalid oauth token", nil)
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) < 3 || parts[0] != "crm" || !slices.Contains(zohoVersions, parts[1]) {
		return failed(http.StatusNotFound, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one", nil)
	}
	version, rest := parts[1], strings.Join(parts[2:], "/")
	switch {
	case rest == "actions/watch":
		return z.watch(r, version)
	case rest == "settings/fields" && r.Method == http.MethodGet:
		return z.fields(r)
	case len(parts) == 4 && parts[3] == "deleted" && r.Method == http.MethodGet && z.hasModule(parts[2]):
		return z.listDeleted(r, version, parts[2])
	case len(parts) == 3 && r.Method == http.MethodGet && z.hasModule(parts[2]) && r.URL.Query().Has("ids"):
		return z.read(r, version, parts[2])
	case len(parts) == 3 && r.Method == http.MethodGet && z.hasModule(parts[2]):
		return z.list(r, version, parts[2])
	case len(parts) <= 4 && !z.hasModule(parts[2]):
		return failed(http.StatusBadRequest, "INVALID_MODULE", "the module name given seems to be invalid", nil)
	}
	return failed(http.StatusNotFound, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one", nil)
}

func (z *CRM) hasModule(name string) bool {
	if z.Modules == nil {
		return slices.Contains([]string{"Leads", "Contacts", "Accounts", "Deals", "CustomModule1"}, name)
	}
	return slices.Contains(z.Modules, name)
}
