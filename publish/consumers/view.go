package consumers

import (
	"context"
	"errors"

	"github.com/crm-bridge/crm-bridge/publish"
)

// View is the consumers of a bridge's streams, with what they gave up on. Set the fields once.
type View struct {
	// Reach returns the connection to the server that has the streams, or why there is none now.
	Reach   func() (*publish.Conn, error)
	Streams []string // that consumers read; those that do not exist have none
	Dead    *DeadLetters
}

// List is List of the streams, with the number of messages that each consumer gave up on. Where no list of them is kept, it is 0.
func (v *View) List(ctx context.Context) ([]Consumer, error) {
	conn, err := v.Reach()
	if err != nil {
		return nil, err
	}
	all, err := List(ctx, conn, v.Streams...)
	return all, errors.Join(err, v.count(ctx, all))
}

// count notes how many messages each consumer gave up on.
func (v *View) count(ctx context.Context, all []Consumer) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	counts, err := v.Dead.Counts(ctx)
	if errors.Is(err, ErrNoList) {
		return nil // that was logged, and may be meant
	}
	dead := map[of]uint64{}
	for _, one := range counts {
		dead[of{one.Stream, one.Consumer}] = one.Dead
	}
	for i := range all {
		all[i].Dead = dead[of{all[i].Stream, all[i].Name}]
	}
	return err
}

// Find returns the consumers of a name. An empty stream is any.
func (v *View) Find(ctx context.Context, stream, name string) (all []Consumer, err error) {
	conn, err := v.Reach()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, of := range v.Streams {
		if stream != "" && stream != of {
			continue
		}
		info, err := look(ctx, conn, of, name)
		switch {
		case err == nil:
			all = append(all, consumerOf(info))
		case !errors.Is(err, ErrNotFound):
			return nil, explain(conn, err, "look up consumer "+name+" of stream "+of, "CONSUMER.INFO."+of+"."+name)
		}
	}
	_ = v.count(ctx, all) // who looks for a consumer wants to change it, which does not depend on that
	return all, nil
}
