package zoho

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// NotificationsLabel is the label of the source Notifications.
const NotificationsLabel = "zoho-notifications"

// Notifications understands the callbacks of Zoho CRM's notification channels (actions/watch), every version of them.
type Notifications struct {
	Account      string            // the org's name in events
	Tokens       ingest.Tokens     // by channel id
	TokenSecrets ingest.SecretList // tokens and proofs are derived from these

	derivations derivations
}

// openNotifications configures the source. With neither tokens nor a secret it takes one that is kept in the data folder,
// where the bridge may make one.
func (c Config) openNotifications(setup ingest.Setup) (*Notifications, error) {
	n := &Notifications{Account: c.Zoho.Account, Tokens: c.Zoho.Tokens, TokenSecrets: c.Zoho.TokenSecret}
	if len(n.Tokens) > 0 {
		return n, nil
	}
	var err error
	n.TokenSecrets, err = setup.SecretsOr(n.TokenSecrets, madeTokenSecret)
	return n, err
}

// Label implements ingest.Source.
func (n *Notifications) Label() string { return NotificationsLabel }

// Routes implements ingest.Source.
func (n *Notifications) Routes() []ingest.Route {
	return []ingest.Route{{Method: http.MethodPost, Path: notificationsPath}}
}

// Secrets implements ingest.Source. Zoho echoes the query of the notify URL as query_params, and people put keys there.
func (n *Notifications) Secrets() ingest.Secrets {
	return ingest.Secrets{
		Names:    []string{"<secret>", "query_params.<secret>"},
		Records:  []string{"affected_values.values"},
		ValuesAt: []string{"affected_values", "values"},
		Values:   append(n.Tokens.Values(), n.TokenSecrets...),
		Looks:    looks,
		Derived:  n.derived,
	}
}

// derived returns the tokens and proofs, under each secret, of the channels that a callback names: in its body, and in the
// query of its notify URL.
func (n *Notifications) derived(cb ingest.Callback) []string {
	body, _ := parse(cb) // of one that is broken, what could be read
	return n.derivedFor(body, cb)
}

// derivedFor is derived for a callback whose body is read. Callers must not change the list.
func (n *Notifications) derivedFor(body *notification, cb ingest.Callback) (values []string) {
	if len(n.TokenSecrets) == 0 {
		return nil
	}
	channels := append(make([]string, 0, 4), body.channel, cb.Query.Get("channel"))
	for name, value := range jsontext.Members(body.QueryParams) { // of the notify URL, which Zoho echoes
		if string(name) == "channel" {
			named, _ := digits(value, "channel")
			channels = append(channels, named)
		}
	}
	slices.Sort(channels)
	for _, channel := range slices.Compact(channels) {
		switch {
		case channel == "": // what is not one has no secrets
		case values == nil: // nearly always there is one channel
			values = n.derivations.of(channel, n.TokenSecrets).all
		default:
			values = append(values, n.derivations.of(channel, n.TokenSecrets).all...)
		}
	}
	return values
}

// Verify implements ingest.Source: the body's token proves the callback. Where Zoho sent none, the proof of the notify URL
// does; it never stands in for a token that is wrong. Of a body that cannot be read as a whole, either is enough.
func (n *Notifications) Verify(_ context.Context, cb ingest.Callback) error {
	switch {
	case cb.Body == nil && cb.Query == nil:
		return ingest.ErrUnread
	case cb.Body == nil:
		return n.verifyProof(cb.Query, "", "its body cannot be read")
	}
	body, err := parse(cb)
	if err != nil {
		if present, wrong := n.verifyToken(body); present && wrong == nil {
			return nil
		}
		return n.verifyProof(cb.Query, "", "its body cannot be read")
	}
	if body.invalid != nil {
		return n.verifyProof(cb.Query, "", "its channel_id cannot be read")
	}
	present, err := n.verifyToken(body)
	if !present {
		return n.verifyProof(cb.Query, body.channel, "it has no token")
	}
	return err
}

// verifyToken checks the token of a body against its channel; present is false where it is null or absent.
func (n *Notifications) verifyToken(body *notification) (present bool, err error) {
	token, present, err := tokenOf(body)
	if err != nil {
		return true, fmt.Errorf("%w: its token is not a string", ingest.ErrForged)
	}
	if body.invalid != nil || !present {
		return present, body.invalid
	}
	channel := body.channel
	own := n.Tokens.For(channel)
	if len(own) == 0 && (channel == "" || len(n.TokenSecrets) == 0) {
		return true, ingest.Claimed{Err: fmt.Errorf("%w: no token is configured for channel", ingest.ErrForged), ID: channel}
	}
	if ingest.MatchesAny(token, own) || channel != "" && n.derives(token, channel) {
		return true, nil
	}
	return true, ingest.Claimed{Err: fmt.Errorf("%w: wrong token for channel", ingest.ErrForged), ID: channel}
}

// derives reports whether token is that of the channel under one of the secrets.
func (n *Notifications) derives(token, channel string) bool {
	if known := n.derivations.known(channel); known != nil {
		return ingest.MatchesAny(token, known.tokens)
	}
	return slices.ContainsFunc(n.TokenSecrets, func(secret string) bool {
		return ingest.MatchesAny(token, []string{channelToken(secret, channel)})
	})
}

// verifyProof checks the notify URL's own channel and proof; channel is the body's, empty where it could not be read.
func (n *Notifications) verifyProof(query url.Values, channel, why string) error {
	named := query.Get("channel")
	if named == "" || query.Get("proof") == "" {
		return fmt.Errorf("%w: %s, and its URL has no channel and proof", ingest.ErrForged, why)
	}
	if channel != "" && channel != named {
		return fmt.Errorf("%w: %s, and its URL is that of another channel", ingest.ErrForged, why)
	}
	if !n.proves(query.Get("proof"), named) {
		return fmt.Errorf("%w: %s, and its URL brings a wrong proof", ingest.ErrForged, why)
	}
	return nil
}

// proves reports whether proof is that of the channel under one of the secrets.
func (n *Notifications) proves(proof, channel string) bool {
	if known := n.derivations.known(channel); known != nil {
		return ingest.MatchesAny(proof, known.proofs)
	}
	return slices.ContainsFunc(n.TokenSecrets, func(secret string) bool {
		return ingest.MatchesAny(proof, []string{channelProof(secret, channel)})
	})
}

// dividedMembers are the members of a body that have a part for each record. Nobody changes them.
var dividedMembers = []string{"ids", "affected_fields", "affected_values"}

// Decode implements ingest.Source.
func (n *Notifications) Decode(cb ingest.Callback) ([]ingest.Change, error) {
	body, err := parse(cb)
	if err != nil {
		return nil, err
	}
	change := ingest.Change{
		Source: NotificationsLabel, Provider: Provider, Account: n.Account, ReceivedAt: cb.At, Origin: ingest.Live,
		NativeBody: body.raw,
	}
	if change.Module, err = text(body.Module, "module"); err != nil {
		return nil, err
	}
	if err := ingest.CheckModule(change.Module); err != nil {
		return nil, err
	}
	if change.NativeOperation, err = text(body.Operation, "operation"); err != nil {
		return nil, err
	}
	if change.Operation, err = ingest.Operation(change.NativeOperation); err != nil {
		return nil, err
	}
	if change.Channel, err = body.channel, body.invalid; err != nil {
		return nil, err
	}
	if change.Channel == "" {
		return nil, fmt.Errorf("%w: channel_id is missing", ingest.ErrMalformed)
	}
	if change.IDs, err = recordIDs(body.IDs); err != nil {
		return nil, err
	}
	change.OccurredAt, change.Mark = serverTime(body.ServerTime)
	change.Collection = collection(body.ResourceURI, change.Module)
	change.Fields = affectedFields(body.AffectedFields)
	change.Values = affectedValues(body.AffectedValues)
	change.Secrets = n.derivedFor(body, cb)
	change.Divided = dividedMembers
	return []ingest.Change{change}, nil
}

// collection is the resource_uri without its query, which may hold keys. It names the module's API of version 2
// whatever the channel's version, so nothing is read from it.
func collection(raw []byte, module string) string {
	if uri, err := text(raw, "resource_uri"); err == nil {
		if isPlainURL(uri) {
			return uri
		}
		if u, err := url.Parse(uri); err == nil && (u.Path != "" || u.Host != "" || u.Opaque != "") {
			u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment, u.User = "", false, "", "", nil
			return u.String()
		}
	}
	return notificationsPath + "/" + module
}

// isPlainURL reports whether text is a URL without a query whose host and path are unreserved characters alone: url.URL writes it as it is.
func isPlainURL(text string) bool {
	rest, found := strings.CutPrefix(text, "https://")
	return found && rest != "" && rest[0] != '/' && !strings.ContainsFunc(rest, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("/.-_~", r)
	})
}

// serverTime reads server_time, milliseconds since 1970 in any notation, which distinguishes changes. Where it has
// another shape, the time is unknown: an event that is otherwise clear is not rejected for it.
func serverTime(raw []byte) (at time.Time, mark string) {
	plain, ok := body.Decimal(raw)
	if at = body.SinceEpoch(plain, time.Millisecond); !ok || at.IsZero() {
		return time.Time{}, ""
	}
	return at, plain
}
