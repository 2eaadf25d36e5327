package bitrix24

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// ErrNotInstalled says that the bridge has no credentials for a portal.
var ErrNotInstalled = errors.New("the application is not installed there, or its installation did not reach the bridge: " +
	"install it (again), with <public URL>/bitrix24/events as the initial installation path")

// access is what the application was given for a portal. They are kept in State.Secret.
type access struct {
	Endpoint         string    `json:"endpoint"` // client_endpoint, as the OAuth server gave it
	AccessToken      string    `json:"access_token"`
	RefreshToken     string    `json:"refresh_token"` // works once, and for 180 days (settings/oauth/auto-renewal.md)
	Expires          time.Time `json:"expires"`       // of the access token
	ApplicationToken string    `json:"application_token"`
	Claimed          time.Time `json:"claimed,omitzero"` // until then a replica exchanges the refresh token
	Refused          time.Time `json:"refused,omitzero"` // when the OAuth server last refused the refresh token for good
	Reason           string    `json:"reason,omitempty"`
}

// unsaved are tokens that are in no store yet, although the refresh token that they replace no longer works.
type unsaved struct {
	value    access
	replaces string // the old refresh token
	revision uint64
}

func credentialsKey(member string) string { return "bitrix24.credentials." + member }

// access returns what that may be used now.
func (c *Client) access(ctx context.Context, member string) (access, error) {
	have, _, err := c.load(ctx, member)
	if err != nil {
		return access{}, err
	}
	if have.RefreshToken == "" {
		return access{}, ErrNotInstalled
	}
	return have, nil
}

// load reads what is stored for a portal; nothing is the zero value. What could not be stored earlier is stored first.
func (c *Client) load(ctx context.Context, member string) (access, uint64, error) {
	c.mu.Lock()
	waiting := c.of(member).unsaved
	c.mu.Unlock()
	if waiting != nil {
		if err := c.keep(ctx, member, *waiting); err != nil && !errors.Is(err, ingest.ErrConflict) {
			return access{}, 0, err
		}
	}
	return c.read(ctx, member)
}

func (c *Client) read(ctx context.Context, member string) (access, uint64, error) {
	raw, revision, err := c.State.Secret.Load(ctx, credentialsKey(member))
	if err != nil {
		return access{}, 0, fmt.Errorf("its credentials cannot be read: %w", err)
	}
	var have access
	if len(raw) > 0 && json.Unmarshal(raw, &have) != nil {
		return access{}, revision, errors.New("its stored credentials cannot be understood: install the application again")
	}
	return have, revision, nil
}

func (c *Client) save(ctx context.Context, member string, value access, revision uint64) (uint64, error) {
	raw, err := json.Marshal(value) //nolint:gosec // the store is encrypted
	if err != nil {
		return 0, err
	}
	revision, err = c.State.Secret.Save(ctx, credentialsKey(member), raw, revision)
	if err != nil {
		return 0, fmt.Errorf("its credentials cannot be stored: %w", err)
	}
	return revision, nil
}

// keep stores tokens that replace a refresh token which no longer works. Where the store fails they are remembered, and
// nobody uses them before they are stored. ErrConflict means that others have been stored in the place of the old ones,
// which are then the younger.
func (c *Client) keep(ctx context.Context, member string, u unsaved) error {
	var err error
	for try := 1; try <= 5; try++ {
		if _, err = c.save(ctx, member, u.value, u.revision); err == nil {
			break
		}
		if errors.Is(err, ingest.ErrConflict) {
			var have access
			var failed error
			if have, u.revision, failed = c.read(ctx, member); failed == nil && have.RefreshToken != u.replaces {
				break
			}
			continue
		}
		if sleep(ctx, 100*time.Millisecond<<try) != nil {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of(member).unsaved = nil
	if err != nil && !errors.Is(err, ingest.ErrConflict) {
		c.of(member).unsaved = &u
	}
	return err
}

// checkEndpoint returns the address of a portal's REST API, if it may be called: it comes from the OAuth server, and is
// https, unless that one is called over http itself; and it does not lead into this machine or its link.
func (c *Client) checkEndpoint(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasSuffix(u.Path, "/rest/") {
		return "", errors.New("the OAuth server gave a client_endpoint that is none")
	}
	if strings.HasPrefix(c.oauthURL(), "http://") && u.Scheme == "http" {
		return text, nil
	}
	if u.Scheme != "https" {
		return "", errors.New("the OAuth server gave a client_endpoint that is not https")
	}
	name := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	ip, err := netip.ParseAddr(name)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") ||
		err == nil && (ip.Unmap().IsLoopback() || ip.Unmap().IsUnspecified() || ip.Unmap().IsLinkLocalUnicast() || ip.Unmap().IsMulticast()) {
		return "", errors.New("the OAuth server gave a client_endpoint that is this machine")
	}
	return text, nil
}

// collectionOf is where a portal keeps a module, as for live events, from its client_endpoint.
func collectionOf(have access, module string) string {
	u, err := url.Parse(have.Endpoint)
	if err != nil || u.Host == "" {
		return "/bitrix24/events/" + module
	}
	return "https://" + u.Host + "/crm/" + module
}
