package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

const (
	listed  = "Contacts" // the module that is backfilled
	perPage = 200        // records that Zoho returns at once
	// apart is the time between the modifications of two contacts.
	apart    = 10 * time.Second
	timeForm = "2006-01-02T15:04:05-07:00" // of Zoho's API
)

// firstChange is when the first of the contacts was modified.
var firstChange = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// crm is a Zoho CRM. Its contacts are made when they are listed: the fake sorts all records for each page, which a large module is too
// large for.
type crm struct {
	*zohotest.CRM
	contacts     int
	reads, pages atomic.Int64 // calls for records by their ids, and for pages of contacts
}

func newCRM(delay time.Duration, contacts int) (*crm, error) {
	c := &crm{contacts: contacts, CRM: &zohotest.CRM{ClientID: clientID, ClientSecret: clientSecret, RefreshToken: refreshToken, Delay: delay}}
	fields := map[string]any{} // the API lists those that a record has
	for _, name := range []string{"First_Name", "Last_Name", "Email", "Phone", "Mailing_City", "Lead_Source", "Description"} {
		fields[name] = ""
	}
	_, err := c.Create(listed, fields)
	return c, err
}

// ServeHTTP implements http.Handler.
func (c *crm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Query().Has("ids"):
		c.reads.Add(1)
	case strings.HasSuffix(r.URL.Path, "/"+listed):
		c.pages.Add(1)
		time.Sleep(c.Delay)
		c.list(w, r)
		return
	}
	c.CRM.ServeHTTP(w, r)
}

// list answers with the first contacts that were modified since the time that the caller names.
func (c *crm) list(w http.ResponseWriter, r *http.Request) {
	first := 0
	if since, err := time.Parse(timeForm, r.Header.Get("If-Modified-Since")); err == nil && since.After(firstChange) {
		first = int((since.Sub(firstChange) + apart - time.Second) / apart)
	}
	last := min(first+perPage, c.contacts)
	if page := r.URL.Query().Get("page"); first >= last || page != "1" { // a second has one record, so no further page of one is needed
		w.WriteHeader(http.StatusNoContent)
		return
	}
	body := []byte(`{"data":[`)
	for n := first; n < last; n++ {
		if n > first {
			body = append(body, ',')
		}
		body = appendContact(body, n)
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	_, _ = w.Write(fmt.Appendf(body, `],"info":{"per_page":%d,"count":%d,"page":1,"more_records":%t}}`, perPage, last-first, last < c.contacts))
}

func appendContact(body []byte, n int) []byte {
	at := firstChange.Add(time.Duration(n) * apart).Format(timeForm)
	return fmt.Appendf(body, `{"id":"5725767%012d","Created_Time":"%[2]s","Modified_Time":"%[2]s","Created_By":{"name":"A maker","id":"5725767000000411001"},`+
		`"Modified_By":{"name":"An editor","id":"5725767000000411002"},"First_Name":"Ada","Last_Name":"Lovelace %[1]d","Email":"ada.%[1]d@example.com",`+
		`"Phone":"+49 30 2345678","Mailing_City":"Berlin","Lead_Source":"Web","Description":"Asked for an offer, and wants to be called in the morning."}`, n, at)
}
