// Package pipedrivetest is a Pipedrive company to test against: its webhooks and the lists of its API, written after Pipedrive's
// documents.
package pipedrivetest

import (
	"net/http"
	"sync"
	"time"
)

// CRM is a Pipedrive company. Serve it with httptest.Server or with ingesttest.Direct. Set the fields before its first request, and
// change them only through its methods.
type CRM struct {
	Token     string            // the API token
	Company   string            // its id; empty: 10203040
	Callbacks http.RoundTripper // takes callbacks; nil: none is sent
	HidesAuth bool              // lists do not show the passwords of webhooks
	PageSize  int               // records of a page at most; 0: as asked, or 100
	MostIDs   int               // that a request may name; 0: 100
	Left      int               // tokens that are left of the daily budget, as each answer says; 0: it does not say
	Delay     time.Duration     // before each answer

	mu       sync.Mutex
	skew     time.Duration
	webhooks []*Webhook
	records  map[string][]*record // by entity
	nextID   int
	refusals []Refusal
	requests []string
}

// Webhook is a webhook of the company.
type Webhook struct {
	ID                                  int
	URL, Action, Object, User, Password string
	Version                             string
	Active                              bool      // it is not suspended
	Removed                             bool      // it was deleted, and is still listed
	Delivered                           time.Time // the last delivery; zero: there was none
	Status                              int       // of its answer
}

// record is a record of the company.
type record struct {
	id                string // of a lead a UUID
	values            object
	deleted, archived bool
	updated           time.Time
}

// Refusal is how a request is answered without doing anything.
type Refusal struct {
	Status int
	Header http.Header
	Body   string
}

// Refusals by the limits of the API, as documented (Core API concepts: rate limiting).
var (
	TooMany = Refusal{http.StatusTooManyRequests, http.Header{"X-Ratelimit-Reset": {"2"}}, `{"success":false,"error":"request over limit"}`}
	Daily   = Refusal{http.StatusTooManyRequests, http.Header{"X-Daily-Ratelimit-Token-Remaining": {"0"}}, `{"success":false,"error":"daily request limit"}`}
	Blocked = Refusal{http.StatusForbidden, nil, `<html><body>error code: 1015</body></html>`}
	BadGate = Refusal{http.StatusBadGateway, nil, `<html><body>502 Bad Gateway</body></html>`}
)

// Refuse refuses the next requests, one each; the zero Refusal lets one through.
func (c *CRM) Refuse(refusals ...Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals = append(c.refusals, refusals...)
}

// SetSkew says how far Pipedrive's clock is ahead of ours.
func (c *CRM) SetSkew(ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew = ahead
}

// Requests returns what was asked since the last call, such as "GET /v1/webhooks".
func (c *CRM) Requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	requests := c.requests
	c.requests = nil
	return requests
}

func (c *CRM) now() time.Time { return time.Now().Add(c.skew).UTC() }

func (c *CRM) company() string {
	if c.Company == "" {
		return "10203040"
	}
	return c.Company
}

type object = map[string]any

func failed(status int, reason string) (int, object) {
	return status, object{"success": false, "error": reason, "error_info": "Please check developers.pipedrive.com"}
}
