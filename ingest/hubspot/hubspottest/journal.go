package hubspottest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// journalFile is a file of the journal.
type journalFile struct {
	offset    string
	published time.Time
	content   any
}

// changed adds an event to the journal, if a subscription wants it.
func (c *CRM) changed(action, typeID string, of *row, properties map[string]string) {
	at := of.modified
	if action == "DELETE" {
		at = of.archived
	}
	id, _ := strconv.ParseInt(of.id, 10, 64)
	event := object{"type": "crmObject", "portalId": c.Portal, "occurredAt": at.Format(iso), "action": action, "objectTypeId": typeID, "objectId": id}
	if action == "UPDATE" {
		event["propertyChanges"] = properties
	}
	if slices.ContainsFunc(c.subscriptions, func(one object) bool {
		actions, _ := one["actions"].([]any)
		return one["objectTypeId"] == typeID && slices.Contains(actions, any(action))
	}) {
		c.pending = append(c.pending, event)
	}
}

// Publish writes the events since the last one to a file of the journal, more events after them, and returns how many it holds.
func (c *CRM) Publish(more ...any) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	var events []any
	for _, one := range c.pending {
		events = append(events, one)
	}
	events = append(events, more...)
	if c.pending = nil; len(events) > 0 {
		c.publish(object{"journalEvents": events})
	}
	return len(events)
}

// PublishFile writes a file to the journal: bytes as they are, anything else as JSON. One of nil is missing when it is downloaded.
func (c *CRM) PublishFile(content any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.publish(content)
}

func (c *CRM) publish(content any) {
	one := journalFile{offset: c.offset(), published: c.now(), content: content}
	if whole, ok := content.(object); ok {
		whole["offset"], whole["publishedAt"] = one.offset, one.published.Format(iso)
	}
	c.files = append(c.files, one)
}

// Expire drops the oldest n files of the journal, as HubSpot does after three days.
func (c *CRM) Expire(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files = c.files[n:]
}

// Subscriptions returns how many subscriptions the journal has.
func (c *CRM) Subscriptions() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.subscriptions)
}

// Unsubscribe deletes all subscriptions, as somebody else might.
func (c *CRM) Unsubscribe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subscriptions = nil
}

// journal answers what is below /webhooks-journal/.
func (c *CRM) journal(r *http.Request) answer {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/webhooks-journal/"), "/")
	if len(parts) < 2 || parts[1] != version {
		return noSuchPath
	}
	switch kind, rest := parts[0], parts[2:]; {
	case kind == "subscriptions":
		return c.subscription(r, strings.Join(rest, "/"))
	case kind == "journal" && r.Method == http.MethodGet && len(rest) == 1 && rest[0] == "earliest":
		return c.pointer(r, 0)
	case kind == "journal" && r.Method == http.MethodGet && len(rest) == 3 && rest[0] == "offset" && rest[2] == "next":
		at := slices.IndexFunc(c.files, func(one journalFile) bool { return one.offset == rest[1] })
		if at < 0 {
			return problem(http.StatusNotFound, "OBJECT_NOT_FOUND", "the offset does not exist")
		}
		return c.pointer(r, at+1)
	}
	return noSuchPath
}

// pointer answers where a file is.
func (c *CRM) pointer(r *http.Request, at int) answer {
	if at >= len(c.files) {
		return answer{status: http.StatusNoContent}
	}
	return answer{http.StatusOK, object{
		"url": "http://" + r.Host + "/files/" + c.files[at].offset + "?X-Amz-Signature=presigned", "currentOffset": c.files[at].offset,
		"expiresAt": time.Now().Add(5 * time.Minute).UTC().Format(iso),
	}}
}

// file answers a download. What is signed for nobody refuses a second proof.
func (c *CRM) file(r *http.Request) answer {
	if r.Header.Get("Authorization") != "" || r.URL.Query().Get("X-Amz-Signature") == "" {
		return answer{http.StatusBadRequest, "Only one auth mechanism allowed"}
	}
	at := slices.IndexFunc(c.files, func(one journalFile) bool { return "/files/"+one.offset == r.URL.Path })
	if at < 0 {
		return answer{http.StatusForbidden, "Request has expired"}
	}
	if c.files[at].content == nil {
		return answer{http.StatusNotFound, "NoSuchKey"}
	}
	return answer{http.StatusOK, c.files[at].content}
}

// subscription answers what lists, makes, changes and deletes subscriptions.
func (c *CRM) subscription(r *http.Request, id string) answer {
	switch {
	case r.Method == http.MethodGet && id == "":
		return answer{http.StatusOK, object{"results": c.subscriptions}}
	case r.Method == http.MethodPost && id == "":
		var made object
		if json.NewDecoder(r.Body).Decode(&made) != nil || made["subscriptionType"] != "OBJECT" || made["portalId"] != float64(c.Portal) || made["objectTypeId"] == nil {
			return problem(http.StatusBadRequest, "VALIDATION_ERROR", "Invalid subscription")
		}
		c.subscriptions = slices.DeleteFunc(c.subscriptions, func(one object) bool { return one["objectTypeId"] == made["objectTypeId"] })
		c.nextID++
		made["id"] = c.nextID
		c.subscriptions = append(c.subscriptions, made)
		return answer{http.StatusOK, made}
	case r.Method == http.MethodDelete:
		c.subscriptions = slices.DeleteFunc(c.subscriptions, func(one object) bool { return fmt.Sprint(one["id"]) == id })
		return answer{status: http.StatusNoContent}
	}
	return noSuchPath
}
