package bitrix24

import "context"

// What tests from outside ask beside what the bridge does.
var (
	ErrNoList       = errNoList
	ErrNotInstalled = errNotInstalled
)

func (c *Client) Call(ctx context.Context, member, method string, params map[string]any, result any) error {
	return c.call(ctx, member, method, params, result)
}

func (i *Installations) Install(ctx context.Context, from Installation) error {
	return i.install(ctx, from, from.Proven)
}

func (i *Installations) Proves(ctx context.Context, member, token string) bool {
	return i.proves(ctx, member, token)
}

func (i *Installations) TokensFor(ctx context.Context, member string) []string {
	return i.tokensFor(ctx, member)
}
