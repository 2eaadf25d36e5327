package transfer

import "context"

// Resume copies what is left of streams that a copy has begun, without a claim.
func (c *Copy) Resume(ctx context.Context, streams []Stream) error {
	for _, s := range streams {
		j, err := c.open(ctx, s)
		if err == nil && j != nil {
			err = j.catchUp(ctx, false)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
