package zoho

import (
	"context"

	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// Reach requests an access token from the accounts server, which checks the client and its refresh token, and drops the token.
// It is one of the ten that Zoho issues for a refresh token in ten minutes.
func (c *Client) Reach(ctx context.Context) error {
	_, err := c.accounts().exchange(ctx, rest.Grant{})
	return err
}
