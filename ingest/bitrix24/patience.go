package bitrix24

import (
	"context"
	"time"
)

// hurry is how much time ctx must leave to start what should not be interrupted.
const hurry = 3 * time.Second

// late reports whether ctx leaves less than that.
func late(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(end) < hurry
}
