package bitrix24

import (
	"context"
	"time"
)

// hurry is how much of ctx's time must be left to begin something that should not be broken off.
const hurry = 3 * time.Second

// late reports whether it is too late to begin.
func late(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(end) < hurry
}
