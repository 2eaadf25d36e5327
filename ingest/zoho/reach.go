package zoho

import "context"

// Reach asks the accounts server for an access token, which proves the client and its refresh token, and drops the token.
// It is one of the ten that Zoho grants a refresh token in ten minutes.
func (c *Client) Reach(ctx context.Context) error {
	_, _, err := c.grant(ctx)
	return err
}
