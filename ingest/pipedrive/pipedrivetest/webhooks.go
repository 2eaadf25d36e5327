package pipedrivetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// Add adds a webhook that somebody else made, and returns its id.
func (c *CRM) Add(w Webhook) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.add(w)
}

func (c *CRM) add(w Webhook) int {
	c.nextID++
	w.ID = 88000 + c.nextID
	c.webhooks = append(c.webhooks, &w)
	return w.ID
}

// Webhooks returns the webhooks, in the order of their ids.
func (c *CRM) Webhooks() (all []Webhook) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.webhooks {
		all = append(all, *w)
	}
	return all
}

// Lose deletes every webhook without notice, as Pipedrive does after three days without a success.
func (c *CRM) Lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.webhooks = nil
}

// Change changes every webhook: what Pipedrive knows of its deliveries.
func (c *CRM) Change(change func(*Webhook)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.webhooks {
		change(w)
	}
}

func (c *CRM) listWebhooks() (int, object) {
	rows := []object{}
	for _, w := range c.webhooks {
		rows = append(rows, c.row(w))
	}
	return http.StatusOK, object{"status": "ok", "success": true, "data": rows}
}

// row is a webhook as the API shows it; its password comes back.
func (c *CRM) row(w *Webhook) object {
	row := object{
		"id": w.ID, "company_id": json.Number(c.company()), "owner_id": 501, "user_id": 501, "event_action": w.Action, "event_object": w.Object,
		"subscription_url": w.URL, "version": w.Version, "is_active": 0, "add_time": "2026-11-01T10:00:00.000Z", "remove_time": nil,
		"type": "general", "http_auth_user": w.User, "http_auth_password": w.Password, "remove_reason": nil, "last_delivery_time": nil,
		"last_http_status": nil, "admin_id": 501, "name": "crm-bridge",
	}
	if w.Active {
		row["is_active"] = 1
	}
	if w.Removed {
		row["remove_time"], row["remove_reason"] = "2025-11-01T10:00:00.000Z", "deleted"
	}
	if c.HidesAuth {
		row["http_auth_password"] = "******"
	}
	if !w.Delivered.IsZero() {
		row["last_delivery_time"], row["last_http_status"] = w.Delivered.UTC().Format("2006-01-02T15:04:05.000Z"), w.Status
	}
	return row
}

func (c *CRM) makeWebhook(r *http.Request) (int, object) {
	var asked map[string]string
	if json.NewDecoder(r.Body).Decode(&asked) != nil || asked["subscription_url"] == "" || asked["event_object"] == "" || asked["event_action"] == "" || asked["name"] == "" {
		return failed(http.StatusBadRequest, "Bad request")
	}
	if !slices.Contains([]string{"*", "create", "change", "delete"}, asked["event_action"]) {
		return failed(http.StatusBadRequest, "unknown event_action")
	}
	if len(c.webhooks) >= 40 {
		return failed(http.StatusForbidden, "the limit of webhooks is reached")
	}
	c.add(Webhook{
		URL: asked["subscription_url"], Action: asked["event_action"], Object: asked["event_object"], User: asked["http_auth_user"],
		Password: asked["http_auth_password"], Version: asked["version"], Active: true,
	})
	return http.StatusCreated, object{"status": "ok", "success": true, "data": c.row(c.webhooks[len(c.webhooks)-1])}
}

func (c *CRM) deleteWebhook(id string) (int, object) {
	i := slices.IndexFunc(c.webhooks, func(w *Webhook) bool { return fmt.Sprint(w.ID) == id })
	if i < 0 {
		return failed(http.StatusNotFound, "webhook not found")
	}
	c.webhooks = slices.Delete(c.webhooks, i, i+1)
	return http.StatusOK, object{"status": "ok", "success": true}
}

// deliver posts a change to the webhooks that want it, once: what fails is lost.
func (c *CRM) deliver(entity, action string, id string, data, previous object) error {
	c.mu.Lock()
	var wanted []*Webhook
	for _, w := range c.webhooks {
		if w.Active && (w.Object == "*" || w.Object == entity) && (w.Action == "*" || w.Action == action) && c.Callbacks != nil {
			wanted = append(wanted, w)
		}
	}
	c.nextID++
	event, at := fmt.Sprintf("7c0e7f2e-4c9b-4f6e-9a53-%012d", c.nextID), c.now()
	c.mu.Unlock()
	for _, w := range wanted {
		text, err := json.Marshal(object{"meta": object{
			"action": action, "entity": entity, "entity_id": id, "company_id": c.company(), "id": event, "correlation_id": event,
			"timestamp": at.Format("2006-01-02T15:04:05.000Z"), "user_id": "501", "change_source": "app", "is_bulk_edit": false, "attempt": 1,
			"type": "general", "version": "2.0", "webhook_id": fmt.Sprint(w.ID), "webhook_owner_id": "501", "host": "acme.pipedrive.com",
			"permitted_user_ids": []string{"501"},
		}, "data": data, "previous": previous})
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, w.URL, bytes.NewReader(text))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		request.SetBasicAuth(w.User, w.Password)
		status := 0
		if response, err := c.Callbacks.RoundTrip(request); err == nil {
			status = response.StatusCode
			_ = response.Body.Close()
		}
		c.mu.Lock()
		w.Delivered, w.Status = at, status
		c.mu.Unlock()
	}
	return nil
}
