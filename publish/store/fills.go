package store

import (
	"context"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Fill is how full one of the bridge's streams is.
type Fill struct {
	publish.Fill
	Stream      string
	Variable    string   // sets its limit; empty: none does
	Differences []string // of a stream that the bridge did not make from what is configured
	Err         error    // why it could not be asked; the figures are zero then
}

// Fills returns how full each of the bridge's streams is that there is, before ctx ends. No message is read.
func (s *EventStore) Fills(ctx context.Context) (all []Fill, err error) {
	holdings, err := s.Holdings(ctx)
	for _, one := range holdings {
		fill := Fill{Stream: one.Stream}
		fill.Variable, fill.Differences = s.about(one.Stream)
		found, err := one.fill(ctx)
		if found != nil {
			fill.Fill = *found
		}
		if fill.Err = err; found != nil || err != nil {
			all = append(all, fill)
		}
	}
	return all, err
}

// fill returns how full the stream is; nil: there is none.
func (h Holding) fill(ctx context.Context) (*publish.Fill, error) {
	conn, err := h.Reach()
	if err != nil {
		return nil, err
	}
	return conn.Fill(ctx, h.Stream)
}

func (s *streams) about(stream string) (variable string, differences []string) {
	for _, config := range []publish.StreamConfig{s.events(nil), s.quarantine(), s.records(), s.journal()} {
		if config.Name == stream {
			variable = config.BytesVariable
		}
	}
	differs, _ := s.differs.Load(stream)
	differences, _ = differs.([]string)
	return variable, differences
}

// Disk returns how many bytes are free on the disk of a folder, and how many it has; 0 where that is unknown.
func Disk(folder string) (free, total int64) { return freeBytes(folder), diskBytes(folder) }
