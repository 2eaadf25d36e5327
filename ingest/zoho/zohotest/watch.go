package zohotest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// zohoTime is how Zoho writes times: with the offset of a zone, without milliseconds.
const zohoTime = "2006-01-02T15:04:05-07:00"

// zohoZone is that of the documents' examples.
var zohoZone = time.FixedZone("", 5*3600+1800)

// watchItem is an entry of a request to actions/watch; what stands in it is told from what does not.
type watchItem struct {
	ChannelID *json.RawMessage `json:"channel_id"`
	Events    *[]string        `json:"events"`
	Expiry    *string          `json:"channel_expiry"`
	Token     *string          `json:"token"`
	NotifyURL *string          `json:"notify_url"`
	Related   *bool            `json:"notify_on_related_action"`
	Values    *bool            `json:"return_affected_field_values"`
	Drop      bool             `json:"_delete_events"`
}

func (z *CRM) watch(r *http.Request, version string) answer {
	switch r.Method {
	case http.MethodGet:
		return z.listChannels(r, version)
	case http.MethodDelete:
		return z.disable(r)
	}
	var body struct {
		Watch []watchItem `json:"watch"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Watch) == 0 {
		return failed(http.StatusBadRequest, "INVALID_DATA", "invalid data", object{"api_name": "watch"})
	}
	var rows []object
	failed := 0
	for _, item := range body.Watch {
		row := z.change(r.Method, version, item)
		if row["status"] == "error" {
			failed++
		}
		rows = append(rows, row)
	}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status = http.StatusCreated
	}
	if failed > 0 {
		status = http.StatusBadRequest
		if !since(version, "v3") && rows[0]["code"] != "NOT_SUBSCRIBED" {
			status = http.StatusAccepted
		}
	}
	return answer{status, object{"watch": rows}}
}

func watchError(code, message, field string) object {
	details := object{}
	if field != "" {
		details["api_name"] = field
	}
	return object{"code": code, "details": details, "message": message, "status": "error"}
}

// change does what one entry asks for.
func (z *CRM) change(method, version string, item watchItem) object {
	if item.ChannelID == nil {
		return watchError("MANDATORY_NOT_FOUND", "required field not found", "channel_id")
	}
	id := strings.Trim(string(*item.ChannelID), `"`)
	if _, err := strconv.ParseInt(id, 10, 64); err != nil {
		return watchError("INVALID_DATA", "invalid data", "channel_id")
	}
	if item.Events == nil || len(*item.Events) == 0 {
		return watchError("MANDATORY_NOT_FOUND", "required field not found", "events")
	}
	old := z.find(id)
	if dead := z.channels[id]; old == nil && dead != nil && z.Revives {
		old = &channel{id: id, notifyURL: dead.notifyURL, lives: map[string]*Life{}}
	}
	if method != http.MethodPost && old == nil {
		return watchError("NOT_SUBSCRIBED", "Not subscribed for actions-watch of the given channel", "")
	}
	events, ok := z.parseEvents(*item.Events)
	if !ok {
		return watchError("INVALID_DATA", "invalid data", "events")
	}
	if item.Drop && method == http.MethodPatch {
		return z.dropEvents(old, events)
	}
	c := &channel{id: id, events: events, token: item.Token, version: version, related: since(version, "v4"), lives: map[string]*Life{}}
	if old != nil {
		c.lives = old.lives
	}
	switch {
	case item.NotifyURL != nil && strings.HasPrefix(*item.NotifyURL, "http"):
		c.notifyURL = *item.NotifyURL
	case item.NotifyURL != nil:
		return watchError("INVALID_DATA", "invalid data", "notify_url")
	case method != http.MethodPatch:
		return watchError("MANDATORY_NOT_FOUND", "required field not found", "notify_url")
	default:
		c.notifyURL = old.notifyURL
	}
	if item.Token != nil && len(*item.Token) > 50 {
		return watchError("INVALID_DATA", "invalid data", "token")
	}
	if item.Related != nil {
		c.related = *item.Related
	}
	if item.Values != nil && since(version, "v3") {
		c.values = *item.Values
	}
	if c.expires, ok = z.expiry(version, item.Expiry); !ok {
		return watchError("INVALID_DATA", "invalid data", "channel_expiry")
	}
	z.begin(c)
	message := "Successfully subscribed for actions-watch of the given module"
	if method == http.MethodPatch {
		message = "Successfully updated the subscribe details"
	}
	return object{"code": "SUCCESS", "details": object{"events": c.rows()}, "message": message, "status": "success"}
}

// expiry is what Zoho makes of the wish: an hour where there is none, or one that is too far away.
func (z *CRM) expiry(version string, wish *string) (time.Time, bool) {
	hour := z.now().Add(time.Hour).Truncate(time.Second)
	if z.Longest != 0 && z.Longest < time.Hour {
		hour = z.now().Add(z.Longest).Truncate(time.Second)
	}
	if wish == nil && z.Grants == 0 {
		return hour, true
	}
	if wish == nil {
		return z.now().Add(z.Grants).Truncate(time.Second), true
	}
	at, err := time.Parse(zohoTime, *wish)
	if err != nil || strings.Contains(*wish, ".") || !at.After(z.now()) {
		return time.Time{}, false
	}
	longest := 24 * time.Hour
	if since(version, "v4") {
		longest *= 7
	}
	if z.Longest != 0 {
		longest = z.Longest
	}
	if z.Grants != 0 {
		return z.now().Add(z.Grants).Truncate(time.Second), true
	}
	if at.After(z.now().Add(longest)) {
		return hour, !z.Strict
	}
	return at, true
}

// rows is what a success tells: a row for each module, with the channel's id in it and nowhere else.
func (c *channel) rows() []object {
	var rows []object
	for _, module := range slices.Sorted(maps.Keys(c.events)) {
		rows = append(rows, object{
			"channel_expiry": c.expires.In(zohoZone).Format(zohoTime), "resource_uri": "https://www.zohoapis.com/crm/" + c.version + "/" + module,
			"resource_id": "1000000000091", "resource_name": module, "channel_id": c.id,
		})
	}
	return rows
}

func (z *CRM) dropEvents(c *channel, events map[string][]string) object {
	for module, operations := range events {
		c.events[module] = slices.DeleteFunc(c.events[module], func(operation string) bool { return slices.Contains(operations, operation) })
		if len(c.events[module]) == 0 {
			delete(c.events, module)
		}
	}
	rows := c.rows()
	if z.begin(c); len(c.events) == 0 {
		z.end(c)
	}
	return object{"code": "SUCCESS", "details": object{"events": rows}, "message": "Successfully removed the subscribe details", "status": "success"}
}

// parseEvents reads ["Deals.all"] and the like; all becomes the three operations.
func (z *CRM) parseEvents(list []string) (map[string][]string, bool) {
	events := map[string][]string{}
	for _, event := range list {
		module, operation, _ := strings.Cut(event, ".")
		operations := []string{operation}
		if operation == "all" {
			operations = []string{"create", "edit", "delete"}
		} else if operation != "create" && operation != "edit" && operation != "delete" {
			return nil, false
		}
		if !z.hasModule(module) {
			return nil, false
		}
		for _, operation := range operations {
			if !slices.Contains(events[module], operation) {
				events[module] = append(events[module], operation)
			}
		}
	}
	return events, true
}

// listChannels has a row for each channel and module.
func (z *CRM) listChannels(r *http.Request, version string) answer {
	var rows []object
	query := r.URL.Query()
	for _, c := range z.alive() {
		for i, row := range c.rows() {
			module := slices.Sorted(maps.Keys(c.events))[i]
			if wanted := query.Get("channel_id"); wanted != "" && wanted != c.id {
				continue
			}
			if wanted := query.Get("module"); wanted != "" && wanted != module {
				continue
			}
			var events []string
			for _, operation := range c.events[module] {
				events = append(events, module+"."+operation)
			}
			row["events"], row["token"], row["notify_url"], row["notify_on_related_action"] = events, c.token, c.notifyURL, c.related
			if since(version, "v3") {
				row["return_affected_field_values"] = c.values
			}
			rows = append(rows, row)
		}
	}
	page, perPage := number(query.Get("page"), 1), number(query.Get("per_page"), 200)
	from := min(len(rows), (page-1)*perPage)
	to := min(len(rows), from+perPage)
	if from == to {
		return answer{status: http.StatusNoContent}
	}
	return answer{http.StatusOK, object{
		"watch": rows[from:to], "info": object{"per_page": perPage, "count": to - from, "page": page, "more_records": to < len(rows)},
	}}
}

func (z *CRM) disable(r *http.Request) answer {
	var rows []object
	status := http.StatusOK
	for id := range strings.SplitSeq(r.URL.Query().Get("channel_ids"), ",") {
		c := z.find(id)
		if c == nil {
			status = http.StatusBadRequest
			rows = append(rows, watchError("NOT_SUBSCRIBED", "Not subscribed for actions-watch of the given channel", ""))
			continue
		}
		for _, row := range c.rows() {
			delete(row, "channel_expiry")
			rows = append(rows, object{"code": "SUCCESS", "details": row, "message": "Successfully un-subscribed from actions-watch", "status": "success"})
		}
		z.end(c)
	}
	return answer{status, object{"watch": rows}}
}

func number(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return n
	}
	return otherwise
}
