// Package hubspottest is HubSpot to test against: an app with its OAuth server, webhooks and journal, and the API of one portal. It is
// written after HubSpot's documents and without a look at the client.
package hubspottest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// CRM is an app, installed in one portal. Serve it over HTTP. Set the fields before its first request, and change them only through its
// methods.
type CRM struct {
	ClientID, ClientSecret string // of the app
	AccessToken            string // of the portal's private app
	Portal                 int64
	Target                 string        // URL that the app's webhooks go to; empty: none are sent
	NoProperties           bool          // the scope to list properties was not granted
	Crowded                int           // results that a query may page through; 0: 10,000
	MostIDs                int           // records that a batch may name; 0: 100
	Left                   int           // requests of 250,000 that are left of the day, as each answer says; 0: it does not say
	Delay                  time.Duration // before each answer

	mu            sync.Mutex
	token         string // of the app
	nextID        int64
	skew          int64 // ms that the last event was later than now, so that no two have one time unless it is wished
	records       map[string][]*row
	subscriptions []object
	pending       []object // events that are not published in the journal yet
	files         []journalFile
	failures      []Failure
	requests      []string
}

type object = map[string]any

// Failure is how a request fails.
type Failure struct {
	Status int
	Body   string
}

// Ways to fail that HubSpot documents.
var (
	TenSecondly = Failure{http.StatusTooManyRequests, `{"status":"error","message":"You have reached your ten_secondly_rolling limit.","errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING"}`}
	Daily       = Failure{http.StatusTooManyRequests, `{"status":"error","message":"You have reached your daily limit.","errorType":"RATE_LIMIT","policyName":"DAILY"}`}
	Broken      = Failure{http.StatusBadGateway, "<html>502</html>"}
)

// Fail makes the next requests fail, one each.
func (c *CRM) Fail(failures ...Failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = append(c.failures, failures...)
}

// RevokeToken ends the access token of the app.
func (c *CRM) RevokeToken() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = "revoked"
}

// Requests returns the requests that were made: their method and path.
func (c *CRM) Requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.requests...)
}

// answer is the status and the JSON of an answer.
type answer struct {
	status int
	body   any
}

func problem(status int, category, message string) answer {
	return answer{status, object{"status": "error", "category": category, "message": message, "correlationId": "b0c7f7c2-a3f1-4e4d-85c6-b7a8f9e0d1c2"}}
}

var noSuchPath = problem(http.StatusNotFound, "OBJECT_NOT_FOUND", "resource not found")

// ServeHTTP implements http.Handler.
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, r.Method+" "+r.URL.Path)
	if c.Delay > 0 {
		c.mu.Unlock()
		time.Sleep(c.Delay)
		c.mu.Lock()
	}
	if c.Left > 0 {
		w.Header().Set("X-HubSpot-RateLimit-Daily", "250000")
		w.Header().Set("X-HubSpot-RateLimit-Daily-Remaining", strconv.Itoa(c.Left))
	}
	if len(c.failures) > 0 {
		failure := c.failures[0]
		c.failures = c.failures[1:]
		w.WriteHeader(failure.Status)
		_, _ = w.Write([]byte(failure.Body))
		return
	}
	got := c.answer(r)
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(got.status)
	if raw, ok := got.body.([]byte); ok {
		_, _ = w.Write(raw)
	} else if got.status != http.StatusNoContent {
		_ = json.NewEncoder(w).Encode(got.body)
	}
}

const version = "2026-09"

func (c *CRM) answer(r *http.Request) answer {
	path := r.URL.Path
	switch {
	case path == "/oauth/"+version+"/token":
		return c.grant(r)
	case strings.HasPrefix(path, "/files/"):
		return c.file(r)
	case strings.HasPrefix(path, "/webhooks-journal/"):
		if r.Header.Get("Authorization") != "Bearer "+c.token || c.token == "" {
			return problem(http.StatusUnauthorized, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired")
		}
		return c.journal(r)
	case r.Header.Get("Authorization") != "Bearer "+c.AccessToken:
		return problem(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "Authentication credentials not found: "+r.Header.Get("Authorization"))
	case path == "/account-info/v3/details":
		return answer{http.StatusOK, object{"portalId": c.Portal, "accountType": "STANDARD", "timeZone": "US/Eastern"}}
	case strings.HasPrefix(path, "/crm/"):
		return c.crm(r)
	}
	return noSuchPath
}

// grant answers the grant client_credentials.
func (c *CRM) grant(r *http.Request) answer {
	if r.ParseForm() != nil || r.Form.Get("grant_type") != "client_credentials" || !strings.Contains(r.Form.Get("scope"), "developer.webhooks_journal.read") {
		return problem(http.StatusBadRequest, "BAD_GRANT_TYPE", "missing or unknown grant type")
	}
	if r.Form.Get("client_id") != c.ClientID || r.Form.Get("client_secret") != c.ClientSecret {
		return problem(http.StatusBadRequest, "BAD_CLIENT_ID", "missing or invalid client id")
	}
	c.token = "app-token-" + c.id()
	return answer{http.StatusOK, object{"access_token": c.token, "token_type": "bearer", "expires_in": 1800}}
}

// id returns a new id.
func (c *CRM) id() string {
	c.nextID++
	return strconv.FormatInt(150_700_000_000+c.nextID, 10)
}

// offset returns a new offset of the journal.
func (c *CRM) offset() string {
	c.nextID++
	return fmt.Sprintf("0190a1b2-0000-7000-8000-%012d", c.nextID)
}

// now returns the time, in milliseconds, later than that of the event before.
func (c *CRM) now() time.Time {
	now := max(time.Now().UnixMilli(), c.skew+1)
	c.skew = now
	return time.UnixMilli(now).UTC()
}
