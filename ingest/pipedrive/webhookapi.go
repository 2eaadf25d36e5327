package pipedrive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
)

// listedWebhook is a webhook as the API lists it. It holds a password: never print or store one.
type listedWebhook struct {
	ID, Company, URL string
	subscription
	User, Password string // Password is empty where the API does not show it
	Version        string
	Alive, Removed bool      // Alive: neither suspended nor removed
	Status         string    // of the last delivery; empty or 0: there was none, or no answer
	Delivered      time.Time // the last delivery; zero: none
}

// failing reports whether the last delivery failed.
func (w listedWebhook) failing() bool {
	return !strings.HasPrefix(w.Status, "2") && (w.Status != "" && w.Status != "0" || !w.Delivered.IsZero())
}

// readWebhook reads a row of the list, whose members may be text or numbers.
func readWebhook(raw json.RawMessage) (w listedWebhook, err error) {
	var row map[string]json.RawMessage
	if json.Unmarshal(raw, &row) != nil {
		return w, errors.New("a listed webhook is not an object")
	}
	for name, into := range map[string]*string{
		"id": &w.ID, "company_id": &w.Company, "subscription_url": &w.URL, "event_object": &w.object, "event_action": &w.action,
		"http_auth_user": &w.User, "http_auth_password": &w.Password, "version": &w.Version, "last_http_status": &w.Status,
	} {
		*into, _ = body.TextOrInteger(row[name])
	}
	if w.ID == "" {
		return w, errors.New("a listed webhook has no id")
	}
	active, _ := body.TextOrInteger(row["is_active"])
	w.Removed = !absent(row["remove_time"])
	w.Alive = (active == "1" || string(row["is_active"]) == "true") && !w.Removed
	w.Delivered = timeOf(row["last_delivery_time"])
	return w, nil
}

// listWebhooks returns the company's webhooks (GET /v1/webhooks).
func (c *Client) listWebhooks(ctx context.Context) (list []listedWebhook, err error) {
	answer, err := c.call(ctx, http.MethodGet, c.version1("webhooks"), nil, nil)
	if err != nil {
		return nil, err
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(answer.Data, &rows); err != nil {
		return nil, errors.New("pipedrive: the list of webhooks is not of the documented shape")
	}
	for _, raw := range rows {
		w, err := readWebhook(raw)
		if err != nil {
			return nil, fmt.Errorf("pipedrive: %w", err)
		}
		list = append(list, w)
	}
	return list, nil
}

// createWebhook makes a webhook (POST /v1/webhooks), and returns it as the API shows it.
func (c *Client) createWebhook(ctx context.Context, s subscription, url, user, password string) (listedWebhook, error) {
	answer, err := c.call(ctx, http.MethodPost, c.version1("webhooks"), nil, map[string]string{
		"subscription_url": url, "event_object": s.object, "event_action": s.action, "name": "crm-bridge", "version": "2.0",
		"http_auth_user": user, "http_auth_password": password,
	})
	if err != nil {
		return listedWebhook{}, err
	}
	made, err := readWebhook(answer.Data)
	if err != nil {
		return made, fmt.Errorf("pipedrive: %w", err)
	}
	return made, nil
}

// deleteWebhook deletes a webhook; it is not an error if there is none.
func (c *Client) deleteWebhook(ctx context.Context, id string) error {
	_, err := c.call(ctx, http.MethodDelete, c.version1("webhooks/"+id), nil, nil)
	if refusedWith(err, http.StatusNotFound) || refusedWith(err, http.StatusGone) {
		return nil
	}
	return err
}

// refusedWith reports whether the API answered with a status.
func refusedWith(err error, status int) bool {
	var refusal *apiError
	return errors.As(err, &refusal) && refusal.Status == status
}

// version1 returns a path of the API's version 1, which has no /api before it on the host that is for API tokens.
func (c *Client) version1(path string) string {
	if strings.HasSuffix(c.URL, ".pipedrive.com") && !strings.HasSuffix(c.URL, "//api.pipedrive.com") {
		return "api/v1/" + path // of a company's own domain
	}
	return "v1/" + path
}

// ownCompany returns the id of the company that the API token is of: as its webhooks say, of which list are some, or as the token's user
// says (GET /v1/users/me). It must be one of Companies; where the API does not say it, the only one of them counts.
func (c *Client) ownCompany(ctx context.Context, list []listedWebhook) (string, error) {
	company := c.knownCompany()
	for _, one := range list {
		if company == "" {
			company = one.Company
		}
	}
	if company == "" {
		answer, err := c.call(ctx, http.MethodGet, c.version1("users/me"), nil, nil)
		if err != nil && !refusedWith(err, http.StatusNotFound) && !refusedWith(err, http.StatusForbidden) {
			return "", err
		}
		if company, _ = body.TextOrInteger(body.Members(nil).Append(answer.Data).Of("company_id")); company == "" && len(c.Companies) == 1 {
			company = c.Companies[0]
		}
	}
	switch {
	case company == "":
		return "", errors.New("pipedrive: the API does not say which company its token is of; set BRIDGE_PIPEDRIVE_COMPANIES to its id")
	case !c.Companies.Accepts(company):
		return "", fmt.Errorf("BRIDGE_PIPEDRIVE_API_TOKEN is of company %s, which BRIDGE_PIPEDRIVE_COMPANIES does not name", company)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.company = company
	return company, nil
}

// knownCompany returns the company that the API token was found to be of; empty: it is not known yet.
func (c *Client) knownCompany() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.company
}

// Clock returns Pipedrive's clock; it sends a request first if Pipedrive has not answered any yet.
func (c *Client) Clock(ctx context.Context, _ string) (*ingest.Clock, error) {
	if c.clock.Known() {
		return &c.clock, nil
	}
	return &c.clock, c.Reach(ctx)
}

// Reach lists the webhooks, which checks the API token.
func (c *Client) Reach(ctx context.Context) error {
	_, err := c.listWebhooks(ctx)
	return err
}
