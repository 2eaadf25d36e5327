package bitrix24test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// boundHandler is a row of event.get; an offline one has no handler.
type boundHandler struct {
	event, handler string
	offline        bool
}

// neverOffline are events that event.bind refuses for the queue (disableOffline in the source).
var neverOffline = []string{"ONOFFLINEEVENT"}

func (p *Portal) bind(params map[string]any) (int, any) {
	b := boundHandler{event: strings.ToUpper(text(params["event"])), handler: text(params["handler"])}
	kind := strings.ToLower(text(params["event_type"]))
	switch {
	case b.event == "":
		return http.StatusBadRequest, restError("ERROR_ARGUMENT", "Argument 'EVENT' is null or empty")
	case kind != "" && kind != "online" && kind != "offline":
		return http.StatusBadRequest, restError("ERROR_ARGUMENT", "Value must be one of {online|offline}")
	case kind == "offline":
		if !p.Admin {
			return http.StatusForbidden, restError("ACCESS_DENIED", "Offline events binding requires administrator access rights")
		}
		b.handler, b.offline = "", true
	case b.handler == "":
		return http.StatusBadRequest, restError("ERROR_ARGUMENT", "Argument 'HANDLER' is null or empty")
	}
	if !strings.HasPrefix(b.event, "ONCRM") && !strings.HasPrefix(b.event, "ONAPP") && !strings.HasPrefix(b.event, "CATALOG.") && b.event != "ONOFFLINEEVENT" {
		return http.StatusBadRequest, restError("ERROR_EVENT_NOT_FOUND", "Event not found")
	}
	if b.offline && slices.Contains(neverOffline, b.event) {
		return http.StatusBadRequest, restError("ERROR_ARGUMENT", "Offline event cannot be registered for this event.")
	}
	if slices.Contains(p.handlers, b) {
		return http.StatusBadRequest, restError("ERROR_CORE", "Unable to set event handler: Handler already binded")
	}
	p.handlers = append(p.handlers, b)
	return result(true)
}

func (p *Portal) bound(map[string]any) (int, any) {
	rows := []any{}
	for _, b := range p.handlers {
		if b.offline {
			rows = append(rows, map[string]any{"event": b.event, "connector_id": "", "offline": 1})
			continue
		}
		rows = append(rows, map[string]any{"event": b.event, "handler": b.handler, "auth_type": "0", "offline": 0})
	}
	return result(rows)
}

func (p *Portal) unbind(params map[string]any) (int, any) {
	gone := boundHandler{event: strings.ToUpper(text(params["event"])), handler: text(params["handler"])}
	if strings.EqualFold(text(params["event_type"]), "offline") {
		gone.handler, gone.offline = "", true
	} else if gone.handler == "" {
		return http.StatusBadRequest, restError("ERROR_ARGUMENT", "Argument 'HANDLER' is null or empty")
	}
	if !p.Admin {
		return http.StatusForbidden, restError("ACCESS_DENIED", "Access denied!")
	}
	before := len(p.handlers)
	p.handlers = slices.DeleteFunc(p.handlers, func(b boundHandler) bool { return b == gone })
	return result(map[string]any{"count": before - len(p.handlers)})
}

// Bound returns what is bound, as "EVENT handler" or "EVENT offline", in order.
func (p *Portal) Bound() []string {
	p.crm.mu.Lock()
	defer p.crm.mu.Unlock()
	all := make([]string, 0, len(p.handlers))
	for _, b := range p.handlers {
		if b.offline {
			b.handler = "offline"
		}
		all = append(all, b.event+" "+b.handler)
	}
	slices.Sort(all)
	return all
}

// Bind binds a handler as another program of the same application would; ForgetHandlers loses them all, as an update of
// the application does.
func (p *Portal) Bind(event, handler string) {
	p.crm.mu.Lock()
	defer p.crm.mu.Unlock()
	p.handlers = append(p.handlers, boundHandler{event: event, handler: handler})
}

// ForgetHandlers unbinds what the filter is true for.
func (p *Portal) ForgetHandlers(filter func(event string) bool) {
	p.crm.mu.Lock()
	defer p.crm.mu.Unlock()
	p.handlers = slices.DeleteFunc(p.handlers, func(b boundHandler) bool { return filter(b.event) })
}

// DropCallbacks loses the next callbacks on their way. Bitrix24 does not send them again.
func (p *Portal) DropCallbacks(n int) {
	p.crm.mu.Lock()
	defer p.crm.mu.Unlock()
	p.dropped = n
}

// Missed returns how many callbacks were lost or answered with an error.
func (p *Portal) Missed() int {
	p.crm.mu.Lock()
	defer p.crm.mu.Unlock()
	return p.missed
}

// Install posts ONAPPINSTALL to a handler, with fresh tokens and a fresh application_token, and returns the status of the
// answer (0: none).
func (p *Portal) Install(handler string) int {
	return p.lifecycle("ONAPPINSTALL", handler, true, url.Values{
		"data[VERSION]": {"1"}, "data[ACTIVE]": {"Y"}, "data[INSTALLED]": {"Y"}, "data[LANGUAGE_ID]": {"en"},
	})
}

// Update posts ONAPPUPDATE: a new version comes with a new application_token, and without the handlers of the old one.
func (p *Portal) Update(handler string) int {
	p.ForgetHandlers(func(string) bool { return true })
	return p.lifecycle("ONAPPUPDATE", handler, true, url.Values{"data[VERSION]": {"2"}, "data[PREVIOUS_VERSION]": {"1"}})
}

// Uninstall ends every token, and posts ONAPPUNINSTALL, which brings none.
func (p *Portal) Uninstall(handler string) int {
	p.ForgetHandlers(func(string) bool { return true })
	p.crm.mu.Lock()
	clear(p.access)
	for token, of := range p.crm.refresh {
		if of == p {
			delete(p.crm.refresh, token)
		}
	}
	p.crm.mu.Unlock()
	return p.lifecycle("ONAPPUNINSTALL", handler, false, url.Values{"data[LANGUAGE_ID]": {"en"}, "data[CLEAN]": {"1"}})
}

func (p *Portal) lifecycle(event, handler string, tokens bool, form url.Values) int {
	p.crm.mu.Lock()
	if tokens {
		p.token = p.crm.secret("application")
	}
	p.fill(form, event, tokens)
	p.crm.mu.Unlock()
	return p.post(handler, form)
}

// ApplicationToken is what proves the portal's callbacks.
func (p *Portal) ApplicationToken() string {
	p.crm.mu.Lock()
	defer p.crm.mu.Unlock()
	return p.token
}

// fill adds to a callback what every one has. The lock is held.
func (p *Portal) fill(form url.Values, event string, tokens bool) {
	form.Set("event", event)
	form.Set("ts", strconv.FormatInt(time.Now().Unix(), 10))
	for name, value := range map[string]string{
		"domain": p.Domain, "client_endpoint": p.Endpoint, "server_endpoint": p.crm.URL + "/rest/", "status": "L",
		"member_id": p.Member, "application_token": p.token,
	} {
		form.Set("auth["+name+"]", value)
	}
	if !tokens {
		return
	}
	access, refresh := p.grant()
	form.Set("auth[access_token]", access)
	form.Set("auth[refresh_token]", refresh)
	form.Set("auth[expires_in]", "3600")
	form.Set("auth[scope]", "crm")
}

// happen tells handlers and the queue of an event, as the portal does when a record changes. data is FIELDS.
func (p *Portal) happen(event string, fields map[string]string) {
	p.crm.mu.Lock()
	var posts []boundHandler
	for _, b := range p.handlers {
		if b.event != event {
			continue
		}
		if b.offline {
			p.enqueue(event, fields)
			continue
		}
		posts = append(posts, b)
	}
	forms := make([]url.Values, len(posts))
	for i := range posts {
		forms[i] = url.Values{"event_handler_id": {strconv.Itoa(500 + i)}}
		for name, value := range fields {
			forms[i].Set("data[FIELDS]["+name+"]", value)
		}
		p.fill(forms[i], event, false)
	}
	p.crm.mu.Unlock()
	for i, b := range posts {
		p.post(b.handler, forms[i])
	}
}

// post sends a callback once, as a form with brackets; what comes of it is of no interest to the portal.
func (p *Portal) post(handler string, form url.Values) int {
	p.crm.mu.Lock()
	client, lost := p.crm.Callbacks, p.dropped > 0
	if lost {
		p.dropped--
	}
	p.crm.mu.Unlock()
	status := 0
	if client != nil && !lost {
		if answer, err := client.PostForm(handler, form); err == nil { //nolint:noctx // as long as the client gives it
			_ = answer.Body.Close()
			status = answer.StatusCode
		}
	}
	if status != http.StatusOK {
		p.crm.mu.Lock()
		p.missed++
		p.crm.mu.Unlock()
	}
	return status
}

// text returns a parameter as PHP would see it.
func text(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}
