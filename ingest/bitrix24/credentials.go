package bitrix24

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// errNotInstalled says that the bridge has no credentials for a portal.
var errNotInstalled = errors.New("the application is not installed there, or its installation did not reach the bridge: " +
	"install it (again), with <public URL>/bitrix24/events as the initial installation path")

// credentials are those of the application for a portal, in State.Secret. A refresh token works once, and for 180 days
// (settings/oauth/auto-renewal.md).
type credentials struct {
	rest.Grant
	Endpoint         string `json:"endpoint"` // client_endpoint, as the OAuth server gave it
	ApplicationToken string `json:"application_token"`
}

// checkEndpoint returns the address of a portal's REST API, as the OAuth server gave it, if it may be called: over https, unless the
// OAuth server is called over http itself, and neither this machine nor link-local.
func checkEndpoint(oauthURL, text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasSuffix(u.Path, "/rest/") {
		return "", errors.New("the OAuth server gave a client_endpoint that is not a REST address")
	}
	if strings.HasPrefix(oauthURL, "http://") && u.Scheme == "http" {
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

// collectionOf returns where a portal keeps a module, as for live events, from its client_endpoint.
func collectionOf(have credentials, module string) string {
	u, err := url.Parse(have.Endpoint)
	if err != nil || u.Host == "" {
		return "/bitrix24/events/" + module
	}
	return "https://" + u.Host + "/crm/" + module
}
