package bitrix24

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
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// EventsLabel is the label of the source Events.
const EventsLabel = "bitrix24-events"

const eventsPath = "/bitrix24/events"

// Events understands the events that Bitrix24 posts to the handlers of applications and to outgoing webhooks. Open
// makes it.
type Events struct {
	Tokens        ingest.Tokens  // by member_id
	Installations *Installations // nil: no application is configured

	table table
}

// openEvents configures the source. Without tokens it takes one that is kept in the data folder, where the bridge may make
// one, for every portal.
func (c Config) openEvents(setup ingest.Setup) (*Events, error) {
	tokens := c.Bitrix24.Tokens
	if len(tokens) == 0 {
		made, err := setup.SecretsOr(nil, madeApplicationToken)
		if err != nil {
			return nil, err
		}
		if len(made) > 0 {
			tokens = ingest.Tokens{"*": made}
		}
	}
	table, err := openTable()
	return &Events{Tokens: tokens, table: table}, err
}

// Label implements ingest.Source.
func (e *Events) Label() string { return EventsLabel }

// Routes implements ingest.Source.
func (e *Events) Routes() []ingest.Route {
	return []ingest.Route{{Method: http.MethodPost, Path: eventsPath}}
}

// Secrets implements ingest.Source.
func (e *Events) Secrets() ingest.Secrets { return secrets(e.Tokens.Values()) }

// LearnsSecrets reports whether the tokens of portals are learnt from the installations of an application.
func (e *Events) LearnsSecrets() bool { return e.Installations != nil }

// Verify implements ingest.Source: auth[application_token] proves the callback, if it is one of that member_id. Its errors name
// the member_id that a forgery claims, for the operator who may have to configure it.
func (e *Events) Verify(ctx context.Context, cb ingest.Callback) error {
	if cb.Body == nil {
		return ingest.ErrUnread
	}
	body, broken := parse(cb)
	member, err := memberOf(body)
	if err != nil || member == "" {
		return fmt.Errorf("%w: it has no member_id, or not one%s", ingest.ErrForged, unread(broken))
	}
	token, err := body.text("auth", "application_token")
	if err != nil || token == "" {
		return fmt.Errorf("%w: it has no application_token, or not one%s", ingest.ErrForged, unread(broken))
	}
	candidates := e.Tokens.For(member)
	proven := ingest.MatchesAny(token, candidates)
	if e.Installations != nil {
		event, _ := body.text("event") // what is not one is no installation
		if broken != nil {
			event = "" // an installation is believed when all of it can be read
		}
		refresh, _ := body.text("auth", "refresh_token")
		err := e.Installations.Prove(ctx, event, Installation{member, token, refresh, proven, cb.From})
		if !proven || errors.Is(err, ingest.ErrRetry) {
			return claiming(member, err)
		}
	}
	if len(candidates) == 0 {
		return claiming(member, fmt.Errorf("%w: no application_token is configured for its member_id", ingest.ErrForged))
	}
	if !proven {
		return claiming(member, fmt.Errorf("%w: wrong application_token for its member_id", ingest.ErrForged))
	}
	return nil
}

// unread is what to add to the reason of a refusal where the body could not be read as a whole.
func unread(broken error) string {
	if broken == nil {
		return ""
	}
	return "; not all of its body can be read"
}

// claiming adds the claimed member_id to the error of a forgery.
func claiming(member string, err error) error {
	if !errors.Is(err, ingest.ErrForged) {
		return err
	}
	return ingest.Claimed{Err: fmt.Errorf("%w: it claims to be", err), ID: member}
}

// memberOf returns auth[member_id], which names a portal for good; empty where there is none.
func memberOf(b parsed) (string, error) {
	member, err := b.text("auth", "member_id")
	if err != nil || member == "" {
		return "", err
	}
	if ingest.CheckID(member) != nil {
		return "", fmt.Errorf("%w: auth.member_id must be 1 to 200 printable characters without white space", ingest.ErrMalformed)
	}
	return member, nil
}

// Decode implements ingest.Source. An installation or its end makes no change.
func (e *Events) Decode(cb ingest.Callback) ([]ingest.Change, error) {
	body, err := parse(cb)
	if err != nil {
		return nil, err
	}
	name, err := body.text("event")
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, fmt.Errorf("%w: event is missing", ingest.ErrMalformed)
	}
	event, entityType, err := e.table.resolve(name)
	if err != nil {
		return nil, err
	}
	if event.installation() {
		return nil, nil
	}
	change := ingest.Change{
		Source: EventsLabel, Provider: Provider, Module: event.module, Operation: event.operation, ReceivedAt: cb.At,
		Origin: ingest.Live, Collection: collection(body, event.module, eventsPath), OccurredAt: timestamp(body),
		NativeOperation: name, NativeBody: body.native(),
	}
	if change.Account, err = memberOf(body); err != nil {
		return nil, err
	}
	if change.Account == "" {
		return nil, fmt.Errorf("%w: auth.member_id is missing", ingest.ErrMalformed)
	}
	id, err := recordID(body)
	if err != nil && (event.module != unnumbered || !errors.Is(err, errBlank)) {
		return nil, err
	}
	if id != "" {
		change.IDs, change.Values = []string{id}, values(body, id, entityType)
	}
	return []ingest.Change{change}, nil
}

// unnumbered is the module whose records have no id (api-reference/crm/requisites/addresses).
const unnumbered = "Address"

// undefined is what Bitrix24 was seen to write where an event has no record.
const undefined = "undefined"

// errBlank is the error of an id that is there, and empty or null.
var errBlank = fmt.Errorf("%w: the record id is empty", ingest.ErrMalformed)

// recordID returns data[FIELDS][ID], or data[ID] as the documents show it for timeline comments. It is empty for events
// that have neither, such as an address's; undefined was seen in its place.
func recordID(b parsed) (string, error) {
	blank := false
	for _, names := range [][]string{{"data", "fields", "id"}, {"data", "id"}} {
		id, err := b.digits(names...)
		if err != nil {
			return "", err
		}
		switch {
		case strings.TrimSpace(id) == "":
			blank = blank || b.has(names...)
		case id != undefined:
			return id, ingest.CheckRecordID(id)
		}
	}
	if blank {
		return "", errBlank
	}
	return "", nil
}

// values are, for the record id, the other members of data[FIELDS] and the entity type that the event's name gave; nil
// where there are none.
func values(b parsed, id, entityType string) map[string]json.RawMessage {
	var others []field
	for _, f := range b.fields {
		if len(f.names) < 3 || !match(f.names[:2], "data", "fields") || match(f.names[2:], "id") {
			continue
		}
		others = append(others, f)
		if match(f.names[2:], "entity_type_id") {
			entityType = ""
		}
	}
	if entityType != "" {
		others = append(others, entityTypeField(entityType))
	}
	if others == nil {
		return nil
	}
	return map[string]json.RawMessage{id: object(others, 2)}
}

func entityTypeField(id string) field {
	return field{[]string{"data", "FIELDS", "ENTITY_TYPE_ID"}, jsontext.Quote(id)}
}

// isHost reports whether a domain can stand in a URL: letters, digits, dots and hyphens, perhaps with a port.
func isHost(domain string) bool {
	name, port, hasPort := strings.Cut(domain, ":")
	if hasPort && (port == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "") {
		return false
	}
	const ends = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	return name != "" && len(name) <= 253 && strings.Trim(name, ends+".-") == "" &&
		strings.IndexByte(ends, name[0]) >= 0 && strings.IndexByte(ends, name[len(name)-1]) >= 0
}

// collection is where the portal keeps the module, or below path where the callback names no portal.
func collection(b parsed, module, path string) string {
	if domain, err := b.text("auth", "domain"); err == nil && isHost(domain) {
		return "https://" + domain + "/crm/" + module
	}
	return path + "/" + module
}

// timestamp reads ts, seconds since 1970 in any notation; zero for anything else. Two changes may share it.
func timestamp(b parsed) time.Time {
	raw, err := b.find("ts")
	if err != nil {
		return time.Time{}
	}
	plain, _ := body.Decimal(raw)
	return body.SinceEpoch(plain, time.Second)
}
