package bitrix24test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// accessLifetime is expires_in of the OAuth documents.
const accessLifetime = time.Hour

// oauth answers GET /oauth/token/?grant_type=refresh_token&… (settings/oauth/auto-renewal.md). Its "domain" is that of the
// OAuth server, not the portal's.
func (b *CRM) oauth(query url.Values) (int, any) {
	if query.Get("grant_type") != "refresh_token" || query.Get("refresh_token") == "" {
		return http.StatusBadRequest, restError("invalid_request", "An incorrectly formatted authorization request was provided")
	}
	if query.Get("client_id") != b.ClientID || query.Get("client_secret") != b.ClientSecret {
		return http.StatusUnauthorized, restError("invalid_client", "Invalid client data was provided")
	}
	old := query.Get("refresh_token")
	p, ok := b.refresh[old]
	if !ok {
		return http.StatusBadRequest, restError("invalid_grant", "Invalid authorization tokens were provided")
	}
	if !b.AllowOldRefreshTokens {
		delete(b.refresh, old)
	}
	access, refresh := p.grant()
	oauthHost, _ := url.Parse(b.URL)
	return http.StatusOK, map[string]any{
		"access_token": access, "refresh_token": refresh, "expires_in": int(accessLifetime.Seconds()), "scope": "app", "status": "L",
		"client_endpoint": p.Endpoint, "server_endpoint": b.URL + "/rest/", "domain": oauthHost.Host, "member_id": p.Member,
	}
}

// grant makes a pair of tokens. The lock is held.
func (p *Portal) grant() (access, refresh string) {
	access, refresh = p.crm.secret("access"), p.crm.secret("refresh")
	p.access[access] = time.Now().Add(accessLifetime)
	p.crm.refresh[refresh] = p
	return access, refresh
}

// Grant returns a pair of tokens, as the application gets one with its installation.
func (p *Portal) Grant() (access, refresh string) {
	p.crm.mu.Lock()
	defer p.crm.mu.Unlock()
	return p.grant()
}

// ExpireAccess ends every access token; refresh tokens go on.
func (p *Portal) ExpireAccess() {
	p.crm.mu.Lock()
	defer p.crm.mu.Unlock()
	for token := range p.access {
		p.access[token] = time.Time{}
	}
}

// rest answers a call of the REST API: whose it is, how many there were, and then what it asks for.
func (p *Portal) rest(method string, r *http.Request) (int, any) {
	if strings.Contains(method, "/") { // rest/<user>/<code of an inbound webhook>/<method>
		return http.StatusForbidden, restError("WRONG_AUTH_TYPE", "Current authorization type is denied for this method")
	}
	params, err := parameters(r)
	if err != nil {
		return http.StatusBadRequest, restError("INVALID_REQUEST", "The request is not JSON, nor a form")
	}
	token, _ := params["auth"].(string)
	expires, ok := p.access[token]
	switch {
	case token == "":
		return http.StatusUnauthorized, restError("NO_AUTH_FOUND", "Wrong authorization data")
	case !ok:
		return http.StatusUnauthorized, restError("invalid_token", "Unable to get application by token")
	case !time.Now().Before(expires):
		return http.StatusUnauthorized, restError("expired_token", "The access token provided has expired.")
	}
	if !p.pour() {
		return http.StatusServiceUnavailable, restError("QUERY_LIMIT_EXCEEDED", "Too many requests")
	}
	answer, ok := portalMethods[method]
	if !ok {
		return http.StatusNotFound, restError("ERROR_METHOD_NOT_FOUND", "Method not found!")
	}
	return answer(p, params)
}

var portalMethods = map[string]func(*Portal, map[string]any) (int, any){
	"event.bind": (*Portal).bind, "event.get": (*Portal).bound, "event.unbind": (*Portal).unbind,
	"event.offline.get": (*Portal).offlineGet, "event.offline.list": (*Portal).offlineList,
	"event.offline.clear": (*Portal).offlineClear, "event.offline.error": (*Portal).offlineError,
	"crm.item.list": (*Portal).itemList, "crm.activity.list": (*Portal).activityList, "crm.type.list": (*Portal).typeList,
	"crm.item.get": (*Portal).itemGet, "crm.activity.get": (*Portal).activityGet, "batch": (*Portal).batch,
}

// pour adds a request to the leaky bucket (limits.md); false where it runs over.
func (p *Portal) pour() bool {
	const leak = 2 // a second
	now := time.Now()
	p.level = max(0, p.level-leak*now.Sub(p.leaked).Seconds())
	p.leaked = now
	if p.level+1 > float64(p.Threshold) {
		return false
	}
	p.level++
	return true
}

// parameters reads a call's parameters, of its URL and its body; their names are in lower case, as any case will do.
func parameters(r *http.Request) (map[string]any, error) {
	params := map[string]any{}
	for name, values := range r.URL.Query() {
		params[strings.ToLower(name)] = values[0]
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		var body map[string]any
		decoder := json.NewDecoder(r.Body)
		decoder.UseNumber()
		if err := decoder.Decode(&body); err != nil {
			return nil, err
		}
		for name, value := range body {
			params[strings.ToLower(name)] = value
		}
		return params, nil
	}
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	for name, values := range r.PostForm {
		params[strings.ToLower(name)] = values[0]
	}
	return params, nil
}

func result(value any) (int, any) {
	now := time.Now()
	return http.StatusOK, map[string]any{
		"result": value,
		"time":   map[string]any{"start": float64(now.UnixMilli()) / 1000, "date_start": portalTime(now), "operating": 0},
	}
}
