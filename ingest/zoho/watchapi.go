package zoho

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// wish is a channel as it is requested. Every request carries all of it: a PUT removes what it omits, and a token that a PATCH omits
// becomes null.
type wish struct {
	ID        string   `json:"channel_id"`
	Events    []string `json:"events"`
	Expiry    string   `json:"channel_expiry,omitempty"`
	Token     string   `json:"token"`
	NotifyURL string   `json:"notify_url"`
	Related   bool     `json:"notify_on_related_action"` // its default depends on the version
	Values    *bool    `json:"return_affected_field_values,omitempty"`

	module string
}

// secrets returns what authenticates the channel's callbacks.
func (w wish) secrets() []string {
	_, query, _ := strings.Cut(w.NotifyURL, "?")
	proof, _ := url.ParseQuery(query)
	return []string{w.Token, proof.Get("proof")}
}

// listedChannel is a row of the list of channels: one for each channel and module.
type listedChannel struct {
	ID, Module, Token, NotifyURL string
	Operations                   []string
	Expires                      time.Time
	Related                      bool
}

// errUnconfirmed says that Zoho reported a success, but not until when this module is subscribed.
var errUnconfirmed = errors.New("the answer does not say until when the module is subscribed")

// watchRow is a channel in an answer of actions/watch.
type watchRow struct {
	ID       json.RawMessage `json:"channel_id"`
	Expiry   string          `json:"channel_expiry"`
	Resource string          `json:"resource_name"`
	URI      string          `json:"resource_uri"`
	Module   string          `json:"module"`
	Events   []string        `json:"events"`
	Token    string          `json:"token"`
	Notify   string          `json:"notify_url"`
	Related  bool            `json:"notify_on_related_action"`
}

// id returns the channel id with all its digits, whether it is a string or a number.
func (r watchRow) id() string { return plain(r.ID) }

func (r watchRow) module() string {
	if name := cmp.Or(r.Resource, r.Module); name != "" {
		return name
	}
	return r.URI[strings.LastIndexByte(r.URI, '/')+1:]
}

// of reports whether the row is about a module.
func (r watchRow) of(module string) bool {
	return r.Resource == module || r.Module == module || strings.HasSuffix(r.URI, "/"+module)
}

// subscribe requests a channel by POST, PUT or PATCH, and returns the expiry that came back. Its error is an *apiError where Zoho
// refused, or errUnconfirmed.
func (c *Client) subscribe(ctx context.Context, method string, w wish) (time.Time, error) {
	ask := call{method: method, path: "actions/watch", body: map[string]any{"watch": []wish{w}}, once: method == http.MethodPost}
	got, err := c.do(ctx, ask)
	if err != nil {
		return time.Time{}, err
	}
	expires, err := readSubscribed(got, w)
	if err != nil {
		return time.Time{}, ask.wrap(err)
	}
	return expires, nil
}

// readSubscribed reads the answer to a POST, PUT or PATCH of one channel. The HTTP status decides nothing.
func readSubscribed(got answer, w wish) (time.Time, error) {
	var body struct {
		Watch []struct {
			reportedError
			Details json.RawMessage `json:"details"`
		} `json:"watch"`
	}
	if err := json.Unmarshal(got.Body, &body); err != nil || len(body.Watch) == 0 {
		return time.Time{}, got.err(w.secrets()...)
	}
	var expires time.Time
	for _, entry := range body.Watch {
		if !strings.EqualFold(entry.Status, "success") || !strings.EqualFold(entry.Code, "SUCCESS") {
			entry.reportedError.Details = entry.Details
			return time.Time{}, got.refusal(entry.reportedError, w.secrets()...)
		}
		var details struct {
			Events []watchRow `json:"events"`
		}
		_ = json.Unmarshal(entry.Details, &details)
		for _, row := range details.Events {
			at, ok := parseTime(row.Expiry)
			if ok && row.of(w.module) && (row.id() == w.ID || row.id() == "") && (expires.IsZero() || at.Before(expires)) {
				expires = at
			}
		}
	}
	if expires.IsZero() {
		return time.Time{}, errUnconfirmed
	}
	return expires, nil
}

// maxChannelPages bounds the list of channels.
const maxChannelPages = 100

// listChannels returns all the org's channels, or only the one with an id.
func (c *Client) listChannels(ctx context.Context, id string) ([]listedChannel, error) {
	var list []listedChannel
	for page := 1; page <= maxChannelPages; page++ {
		query := url.Values{"page": {strconv.Itoa(page)}, "per_page": {"200"}}
		if id != "" {
			query.Set("channel_id", id)
		}
		ask := call{method: http.MethodGet, path: "actions/watch", query: query}
		got, err := c.do(ctx, ask)
		if err != nil {
			return nil, err
		}
		rows, more, err := readChannels(got)
		if err != nil {
			return nil, ask.wrap(err)
		}
		if list = append(list, rows...); !more {
			return list, nil
		}
	}
	return nil, fmt.Errorf("zoho: the list of channels has more than %d pages", maxChannelPages)
}

// readChannels reads a page of the list of channels. 204 means that there are none.
func readChannels(got answer) (list []listedChannel, more bool, err error) {
	if got.Status == http.StatusNoContent {
		return nil, false, nil
	}
	var body struct {
		Watch *[]watchRow `json:"watch"`
		Info  struct {
			More bool `json:"more_records"`
		} `json:"info"`
	}
	if err := json.Unmarshal(got.Body, &body); err != nil || got.Status != http.StatusOK || body.Watch == nil {
		return nil, false, got.err()
	}
	for _, row := range *body.Watch {
		channel := listedChannel{ID: row.id(), Module: row.module(), Token: row.Token, NotifyURL: row.Notify, Related: row.Related}
		channel.Expires, _ = parseTime(row.Expiry)
		var events ingest.WantedEvents
		for _, event := range row.Events {
			module, word, ok := strings.Cut(event, ".")
			if operations, err := ingest.ParseOperations(word); ok && err == nil && module == channel.Module {
				events = events.Add(module, operations)
			}
		}
		if len(events) == 1 {
			channel.Operations = events[0].Operations
		}
		list = append(list, channel)
	}
	return list, body.Info.More, nil
}

// unsubscribe disables a channel; it is not an error if there is none.
func (c *Client) unsubscribe(ctx context.Context, id string) error {
	ask := call{method: http.MethodDelete, path: "actions/watch", query: url.Values{"channel_ids": {id}}}
	got, err := c.do(ctx, ask)
	if err != nil {
		return err
	}
	var body struct {
		Watch []reportedError `json:"watch"`
	}
	if err := json.Unmarshal(got.Body, &body); err != nil || len(body.Watch) == 0 {
		body.Watch = []reportedError{{}}
		_ = json.Unmarshal(got.Body, &body.Watch[0])
	}
	for _, entry := range body.Watch {
		if !strings.EqualFold(entry.Status, "success") && entry.Code != notSubscribed {
			return ask.wrap(got.refusal(entry))
		}
	}
	return nil
}

// notSubscribed is the code of Zoho's answer to a PATCH of a dead channel.
const notSubscribed = "NOT_SUBSCRIBED"

// refusedWith reports whether Zoho refused with a code.
func refusedWith(err error, code string) bool {
	var refused *apiError
	return errors.As(err, &refused) && refused.Code == code
}
