package bitrix24

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// Reach gets the OAuth server's address. It shows no credentials: a refresh token works once, and only the one who stores
// its successor may use it.
func (c *Client) Reach(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.oauth().url+"/", nil)
	if err != nil {
		return errors.New("BRIDGE_BITRIX24_OAUTH_URL is not a URL")
	}
	answer, err := rest.Sender{HTTP: c.HTTP, MaxAnswer: maxAnswer}.Do(request)
	if err == nil && answer.Status >= 500 {
		err = fmt.Errorf("answered %d", answer.Status)
	}
	if err != nil {
		return fmt.Errorf("the OAuth server %s: %w", c.oauth().url, err)
	}
	return nil
}
