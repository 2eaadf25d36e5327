package pipedrivetest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ServeHTTP implements http.Handler.
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, r.Method+" "+r.URL.RequestURI())
	w.Header().Set("Date", c.now().Format(http.TimeFormat))
	if c.Delay > 0 {
		c.mu.Unlock()
		time.Sleep(c.Delay)
		c.mu.Lock()
	}
	if c.Left > 0 {
		w.Header().Set("X-Daily-Ratelimit-Token-Remaining", strconv.Itoa(c.Left))
	}
	var refusal Refusal
	if len(c.refusals) > 0 {
		refusal, c.refusals = c.refusals[0], c.refusals[1:]
	}
	if refusal.Status != 0 {
		for name, values := range refusal.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(refusal.Status)
		_, _ = w.Write([]byte(refusal.Body))
		return
	}
	status, answer := http.StatusUnauthorized, object{"success": false, "error": "unauthorized access: " + r.Header.Get("X-Api-Token"), "errorCode": 401}
	if c.Token != "" && r.Header.Get("X-Api-Token") == c.Token {
		status, answer = c.route(r)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (c *CRM) route(r *http.Request) (int, object) {
	switch path := r.URL.Path; {
	case path == "/v1/users/me" && r.Method == http.MethodGet:
		return http.StatusOK, object{"success": true, "data": object{"id": 501, "company_id": json.Number(c.company())}}
	case path == "/v1/webhooks" && r.Method == http.MethodGet:
		return c.listWebhooks()
	case path == "/v1/webhooks" && r.Method == http.MethodPost:
		return c.makeWebhook(r)
	case strings.HasPrefix(path, "/v1/webhooks/") && r.Method == http.MethodDelete:
		return c.deleteWebhook(strings.TrimPrefix(path, "/v1/webhooks/"))
	case r.Method == http.MethodGet && singles[path[:strings.LastIndexByte(path, '/')]] != "" && path != "/v1/leads/archived":
		return c.readRecord(singles[path[:strings.LastIndexByte(path, '/')]], path[strings.LastIndexByte(path, '/')+1:])
	case strings.HasPrefix(path, "/v1/leads") && r.Method == http.MethodGet:
		return c.listLeads(path == "/v1/leads/archived", r.URL.Query())
	case strings.HasPrefix(path, "/api/v2/") && r.Method == http.MethodGet:
		return c.listRecords(strings.TrimPrefix(path, "/api/v2/"), r.URL.Query())
	}
	return failed(http.StatusNotFound, "Unknown method .")
}
