package hubspot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// unnamed is the account of a token whose portal is not configured, until the API has named it.
const unnamed = "default"

// tokens are the access tokens of the portals whose records can be read.
type tokens struct {
	*client
	byName map[string]string
	limits map[string]*limits // by name

	mu    sync.Mutex
	known map[string]string // portals that the API has named, by token
}

// limits are what the API allows a portal, and what is known of its objects.
type limits struct {
	turns  rest.Turns  // of calls for records
	budget rest.Budget // of requests in a day

	mu         sync.Mutex
	properties map[string]propertyList // by module
}

// openTokens names the portal of each access token: the only one that is configured, where the token names none.
func openTokens(c *client, all AccessTokens, portals ingest.AccountIDs) (*tokens, error) {
	t := &tokens{client: c, byName: map[string]string{}, limits: map[string]*limits{}, known: map[string]string{}}
	c.heard = t.count
	for portal, token := range all {
		switch {
		case portal != "" && !portals.Accepts(portal):
			return nil, fmt.Errorf("BRIDGE_HUBSPOT_ACCESS_TOKEN has a token of portal %s, which BRIDGE_HUBSPOT_PORTALS does not name", portal)
		case portal == "" && len(portals) > 1:
			return nil, errors.New("BRIDGE_HUBSPOT_ACCESS_TOKEN must name the portal of its token, because BRIDGE_HUBSPOT_PORTALS names several: portal:token,portal:token")
		case portal == "" && len(portals) == 1:
			portal = portals[0]
		case portal == "":
			portal = unnamed
		}
		t.byName[portal], t.limits[portal] = token, &limits{properties: map[string]propertyList{}}
	}
	return t, nil
}

// count records what an answer says of the daily limit of a portal.
func (t *tokens) count(token string, header http.Header) {
	for name, one := range t.byName {
		if one == token {
			t.limits[name].count(header)
		}
	}
}

// nameOf returns the name of the token of a portal that a callback names, or that has that name itself.
func (t *tokens) nameOf(ctx context.Context, account string) (string, error) {
	if t.byName[account] != "" {
		return account, nil
	}
	if t.byName[unnamed] != "" {
		id, err := t.portal(ctx, unnamed)
		if err != nil || id == account {
			return unnamed, err
		}
	}
	return "", fmt.Errorf("records of portal %s %w: BRIDGE_HUBSPOT_ACCESS_TOKEN has no token of it", account, ingest.ErrUnreadable)
}

// names returns the names of the portals, sorted.
func (t *tokens) names() []string { return slices.Sorted(maps.Keys(t.byName)) }

// bearer returns the access token of a name, which is configured and cannot be renewed.
func (t *tokens) bearer(name string) bearer {
	return func(_ context.Context, stale string) (string, error) {
		token, ok := t.byName[name]
		switch {
		case !ok:
			return "", fmt.Errorf("%w: BRIDGE_HUBSPOT_ACCESS_TOKEN has no token of portal %q", ingest.ErrNoList, name)
		case stale != "":
			return "", &apiError{Status: http.StatusUnauthorized, Message: "the access token of portal " + name + " is not valid"}
		}
		return token, nil
	}
}

// portal returns the id of the portal that a token is of, as the API says. Where it does not say, what is configured counts.
func (t *tokens) portal(ctx context.Context, name string) (string, error) {
	t.mu.Lock()
	id := t.known[name]
	t.mu.Unlock()
	if id != "" {
		return id, nil
	}
	var details struct {
		Portal json.Number `json:"portalId"`
	}
	var err error
	for _, path := range []string{"/account-info/" + version + "/details", "/account-info/v3/details"} {
		if _, err = t.call(ctx, t.bearer(name), http.MethodGet, path, nil, &details); !answered(err, http.StatusNotFound) {
			break
		}
	}
	id = details.Portal.String()
	var away *rest.Unreachable
	switch {
	case errors.As(err, &away), answered(err, http.StatusUnauthorized), answered(err, http.StatusTooManyRequests):
		return "", err
	case !portalID.MatchString(id) && name == unnamed:
		return "", errors.Join(errors.New("the portal of the access token is unknown: write BRIDGE_HUBSPOT_ACCESS_TOKEN as portal:token"), err)
	case !portalID.MatchString(id):
		id = name
	case name != unnamed && id != name:
		return "", fmt.Errorf("BRIDGE_HUBSPOT_ACCESS_TOKEN: the token is of portal %s, not of %s", id, name)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known[name] = id
	return id, nil
}

// Reach checks the access tokens.
func (t *tokens) Reach(ctx context.Context) (failed error) {
	for _, name := range t.names() {
		if _, err := t.portal(ctx, name); err != nil {
			failed = errors.Join(failed, fmt.Errorf("portal %s: %w", strings.TrimSpace(name), err))
		}
	}
	return failed
}
