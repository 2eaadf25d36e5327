package bitrix24

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Reach gets the OAuth server's address. It shows no credentials: a refresh token works once, and only the one who stores
// its successor may use it.
func (c *Client) Reach(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.oauthURL()+"/", nil)
	if err != nil {
		return errors.New("BRIDGE_BITRIX24_OAUTH_URL is not a URL")
	}
	_, _, status, err := c.do(request, maxAnswer)
	if err == nil && status >= 500 {
		err = fmt.Errorf("answered %d", status)
	}
	if err != nil {
		return fmt.Errorf("the OAuth server %s: %w", c.oauthURL(), err)
	}
	return nil
}
