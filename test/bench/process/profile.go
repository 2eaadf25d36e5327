package process

import (
	"context"
	"os"
	"time"
)

// Profile calls load while a server that is built to profile itself does so, into a file.
func (p *Process) Profile(ctx context.Context, file string, load func() error) error {
	if err := p.tell(file); err != nil {
		return err
	}
	if err := load(); err != nil {
		return err
	}
	if err := p.tell(""); err != nil {
		return err
	}
	for end := time.Now().Add(10 * time.Second); ; {
		_, err := os.Stat(file)
		if err == nil || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
