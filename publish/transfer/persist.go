package transfer

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
	"github.com/crm-bridge/crm-bridge/publish"
)

// retryEvery is the time between two attempts.
const retryEvery = 250 * time.Millisecond

// unansweredFor is how long requests are repeated that nobody answers although the server is reachable: the user may lack a permission.
const unansweredFor = 20 * time.Second

// retry calls do until it succeeds, fails permanently, or a server is unreachable for Patience.
func (c *Copy) retry(ctx context.Context, do func() error) error {
	return c.persist(ctx, func() (bool, error) { return false, do() })
}

// persist is retry of what may get further before it fails: then patience begins again.
func (c *Copy) persist(ctx context.Context, do func() (further bool, err error)) error {
	for began := time.Now(); ; {
		further, err := do()
		if further {
			began = time.Now()
		}
		if err == nil || ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		patience := c.Patience
		switch {
		case publish.Temporary(err), errors.As(err, new(errLost)):
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
			patience = min(patience, unansweredFor)
		default:
			return err
		}
		if time.Since(began) > patience {
			return err
		}
		if c.Retrying != nil {
			c.Retrying(err)
		}
		if err := retry.Sleep(ctx, retryEvery); err != nil {
			return err
		}
	}
}
