package ingest

import (
	"context"
	"errors"
)

// Each accepts changes, all at once; where one is rejected permanently it accepts them one by one, so that this one does not
// hold up the others, and calls leftOut for each that is rejected. It returns the acks of the others, also beside an error.
func (accept Accept) Each(ctx context.Context, changes []Change, leftOut func(i int, err error)) ([]Ack, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	acks, err := accept(ctx, changes)
	switch {
	case !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge):
		return acks, err
	case len(changes) == 1:
		leftOut(0, err)
		return nil, nil
	}
	for i := range changes {
		one, err := accept.Each(ctx, changes[i:i+1], func(_ int, err error) { leftOut(i, err) })
		if err != nil {
			return acks, err
		}
		acks = append(acks, one...)
	}
	return acks, nil
}
