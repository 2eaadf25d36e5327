package zohotest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// channel is a notification channel.
type channel struct {
	id        string
	events    map[string][]string // by module: create, edit, delete
	token     *string
	notifyURL string
	expires   time.Time
	related   bool
	values    bool // return_affected_field_values
	version   string
	lives     map[string]*Life // by event
}

// Life says when a channel told, or would have told, of an operation, by Zoho's clock.
type Life struct {
	Channel, Module, Operation string
	From, To                   time.Time
}

// Lives returns the spans in which channels told of an operation of a module; the last may end in the future.
func (z *CRM) Lives(module, operation string) []Life {
	z.mu.Lock()
	defer z.mu.Unlock()
	var list []Life
	for _, life := range z.lives {
		if life.Module == module && life.Operation == operation {
			list = append(list, *life)
		}
	}
	return list
}

// Kill ends a channel, or all of them where id is empty, without a word to anybody.
func (z *CRM) Kill(id string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, c := range z.channels {
		if id == "" || c.id == id {
			z.end(c)
		}
	}
}

// LiveChannel is a channel as the administrator of the CRM would see it.
type LiveChannel struct {
	ID, Token, NotifyURL string
	Events               []string
	Expires              time.Time
	Related, Values      bool
}

// Live returns the channels that are alive, ordered by id.
func (z *CRM) Live() []LiveChannel {
	z.mu.Lock()
	defer z.mu.Unlock()
	var list []LiveChannel
	for _, c := range z.alive() {
		live := LiveChannel{ID: c.id, NotifyURL: c.notifyURL, Expires: c.expires, Related: c.related, Values: c.values}
		if c.token != nil {
			live.Token = *c.token
		}
		for module, operations := range c.events {
			for _, operation := range operations {
				live.Events = append(live.Events, module+"."+operation)
			}
		}
		slices.Sort(live.Events)
		list = append(list, live)
	}
	return list
}

func (z *CRM) alive() []*channel {
	var list []*channel
	for _, c := range z.channels {
		if c.expires.After(z.now()) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *channel) int { return strings.Compare(a.id, b.id) })
	return list
}

func (z *CRM) find(id string) *channel {
	if c := z.channels[id]; c != nil && c.expires.After(z.now()) {
		return c
	}
	return nil
}

// begin makes the ledger follow what the channel is now.
func (z *CRM) begin(c *channel) {
	if z.channels == nil {
		z.channels = map[string]*channel{}
	}
	z.channels[c.id] = c
	now, wanted := z.now(), map[string]bool{}
	for module, operations := range c.events {
		for _, operation := range operations {
			event := module + "." + operation
			wanted[event] = true
			if c.lives[event] == nil {
				life := &Life{Channel: c.id, Module: module, Operation: operation, From: now}
				c.lives[event] = life
				z.lives = append(z.lives, life)
			}
			c.lives[event].To = c.expires
		}
	}
	for event, life := range c.lives {
		if !wanted[event] {
			life.To = now
			delete(c.lives, event)
		}
	}
}

func (z *CRM) end(c *channel) {
	for _, life := range c.lives {
		if now := z.now(); life.To.After(now) {
			life.To = now
		}
	}
	delete(z.channels, c.id)
}

// callback is a request that is to be sent to a channel.
type callback struct {
	url  string
	body []byte
}

// notify makes the callbacks of a change: operation is create, edit or delete, the callback's word another.
func (z *CRM) notify(module, operation, id string, changed object) []callback {
	var list []callback
	word := map[string]string{"create": "insert", "edit": "update", "delete": "delete"}[operation]
	for _, c := range z.alive() {
		if !slices.Contains(c.events[module], operation) {
			continue
		}
		if z.dropped > 0 {
			z.dropped--
			continue
		}
		query, names := object{}, []string{}
		if u, err := url.Parse(c.notifyURL); err == nil {
			for name, values := range u.Query() {
				query[name] = values[0]
			}
		}
		for name := range changed {
			names = append(names, name)
		}
		slices.Sort(names)
		body := object{
			"query_params": query, "module": module, "resource_uri": "https://www.zohoapis.com/crm/v2/" + module, "ids": []string{id},
			"operation": word, "channel_id": c.id, "token": c.token,
		}
		if c.version != "v2" {
			body["server_time"], body["affected_fields"] = z.now().UnixMilli(), []object{}
			if operation == "edit" {
				body["affected_fields"] = []object{{id: names}}
			}
			if c.values && operation == "edit" {
				body["affected_values"] = []object{{"record_id": id, "values": changed}}
			}
		}
		raw, _ := json.Marshal(body)
		list = append(list, callback{c.notifyURL, raw})
	}
	return list
}

// send posts callbacks, once each, and returns the errors. It is called without the lock.
func (z *CRM) send(list []callback) error {
	if z.Callbacks == nil {
		return nil
	}
	var failed error
	for _, cb := range list {
		request, err := http.NewRequest(http.MethodPost, cb.url, bytes.NewReader(cb.body)) //nolint:noctx // Zoho waits as long as it likes
		if err != nil {
			return fmt.Errorf("notify_url: %w", err)
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := z.Callbacks.RoundTrip(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode != http.StatusOK {
				err = fmt.Errorf("a callback was answered with %s", response.Status)
			}
		}
		if err != nil {
			failed = err
		}
	}
	return failed
}
