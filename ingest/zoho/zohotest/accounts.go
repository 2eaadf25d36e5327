package zohotest

import (
	"fmt"
	"net/http"
	"time"
)

const (
	zohoTokenLife   = time.Hour
	zohoTokenLimit  = 10 // access tokens in zohoTokenWindow for a refresh token
	zohoTokenWindow = 10 * time.Minute
	zohoTokensAlive = 15 // the 16th ends the first
)

// token answers the refresh-token grant. Its errors come inside a 200, the limit's too.
func (z *CRM) token(r *http.Request) answer {
	denied := func(code string) answer { return answer{http.StatusOK, object{"error": code}} }
	if r.Method != http.MethodPost {
		return denied("invalid_request")
	}
	if err := r.ParseForm(); err != nil {
		return denied("invalid_request")
	}
	switch {
	case r.Form.Get("grant_type") != "refresh_token":
		return denied("unsupported_grant_type")
	case r.Form.Get("client_id") != z.ClientID:
		return denied("invalid_client")
	case r.Form.Get("client_secret") != z.ClientSecret:
		return denied("invalid_client_secret")
	case r.Form.Get("refresh_token") != z.RefreshToken:
		return denied("invalid_code")
	}
	now := z.now()
	recent := 0
	for _, at := range z.made {
		if now.Sub(at) < zohoTokenWindow && !at.After(now) {
			recent++
		}
	}
	if recent >= zohoTokenLimit {
		z.refused++
		return answer{http.StatusOK, object{
			"error": "Access Denied", "status": "failure",
			"error_description": "You have made too many requests continuously. Please try again after some time.",
		}}
	}
	z.made = append(z.made, now)
	if z.tokens == nil {
		z.tokens = map[string]time.Time{}
	}
	for len(z.tokens) >= zohoTokensAlive {
		var first string
		for token, end := range z.tokens {
			if first == "" || end.Before(z.tokens[first]) {
				first = token
			}
		}
		delete(z.tokens, first)
	}
	token := fmt.Sprintf("1000.access%032x.%032x", len(z.made), now.UnixNano())
	z.tokens[token] = now.Add(zohoTokenLife)
	return answer{http.StatusOK, object{
		"access_token": token, "api_domain": "https://" + r.Host, "token_type": "Bearer", "expires_in": int(zohoTokenLife / time.Second),
	}}
}

// RevokeTokens ends every access token at once.
func (z *CRM) RevokeTokens() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.tokens = nil
}

// TokensMade returns how many access tokens were made, and how many were refused because of the limit.
func (z *CRM) TokensMade() (made, refused int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	return len(z.made), z.refused
}

// AccessTokens returns the access tokens that are known.
func (z *CRM) AccessTokens() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	var list []string
	for token := range z.tokens {
		list = append(list, token)
	}
	return list
}
