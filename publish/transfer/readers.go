package transfer

import (
	"context"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// Reader is a durable consumer of the source, and where one on the target goes on.
type Reader struct {
	Stream   string     `json:"stream"`
	Consumer string     `json:"consumer"`
	Subjects []string   `json:"subjects,omitempty"` // that it reads; none: all
	AckFloor uint64     `json:"ackFloor"`           // in the source: all up to it are acknowledged
	At       *time.Time `json:"at,omitempty"`       // when the source stored that message; nil: it holds it no more
	Start    uint64     `json:"startSequence"`      // on the target

	start uint64 // in the source
}

// readersOf lists the durable consumers of the source that are not a bridge's own.
func readersOf(ctx context.Context, from *publish.Conn, jobs []*job) (found []Reader, err error) {
	for _, j := range jobs {
		listed, err := consumers.List(ctx, from, j.Config.Name)
		if err != nil {
			return nil, err
		}
		for _, one := range listed {
			if !one.Durable || one.Own {
				continue
			}
			floor := one.AckFloor.Sequence
			if one.AckPolicy == "none" {
				floor = one.Delivered.Sequence
			}
			reader := Reader{Stream: one.Stream, Consumer: one.Name, Subjects: one.Subjects, AckFloor: floor, start: floor + 1}
			if m, err := from.Get(ctx, one.Stream, floor); err == nil {
				at := m.FirstStored()
				reader.At = &at
			}
			found = append(found, reader)
		}
	}
	return found, nil
}

// startsOf returns the sequences of the source with which the readers of a stream go on, each without its place on the target.
func startsOf(readers []Reader, stream string) map[uint64]uint64 {
	starts := map[uint64]uint64{}
	for _, one := range readers {
		if one.Stream == stream {
			starts[one.start] = 0
		}
	}
	return starts
}

// place notes where the readers of a stream go on on the target.
func place(readers []Reader, j *job, starts map[uint64]uint64) {
	for i, one := range readers {
		switch {
		case one.Stream != j.Config.Name:
		case j.Keep:
			readers[i].Start = one.start
		case starts[one.start] > 0:
			readers[i].Start = starts[one.start]
		default: // all that the source has is acknowledged
			readers[i].Start = j.last + 1
		}
	}
}
