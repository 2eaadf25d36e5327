package erase

import (
	"context"
	"fmt"
	"strings"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Eraser erases one record. Set the exported fields once.
type Eraser struct {
	Record Record
	// Parts are searched and erased in this order: what feeds other streams comes first, events come before the states that they cause.
	Parts   []*Part
	Names   Names
	Foreign bool // erase in streams that the bridge did not make, too
	// Before is called before the streams are searched, each time: from then on no state may be written from an event that they hold; nil:
	// nothing writes states.
	Before func(ctx context.Context) error
	// Progress is called while a stream is read, with the messages read, and the part of the stream from 0 to 1; nil: it is not.
	Progress func(stream string, read int, part float64)
}

// Part is a stream in which the record may be.
type Part struct {
	Stream string
	// Reach returns the connection to the server that has the stream, or why there is none now.
	Reach func() (*publish.Conn, error)
	// Subjects are those of messages that may name the record; nil: all messages are read, in pages and without a consumer.
	Subjects func(Record) []string
	// Erased returns when what was erased of the stream does not come back after a power cut; nil: the server says so by its answer.
	Erased publish.Commit
	// Scrub overwrites the bytes of messages that names reports and that the stream has deleted before; nil: they are out of reach.
	Scrub func(ctx context.Context, names func(publish.Stored) bool) error
	// Rare: the record is hardly ever in it, so the stream is reported only if it is.
	Rare bool
	// Settled returns when nothing of what was erased is on its way to another stream; nil: nothing can be.
	Settled func(ctx context.Context) error

	next   uint64 // the sequence with which the next search begins
	own    bool   // the bridge made it
	exists bool
	hits   []hit // that the last search has found
	found  Found // by a dry run, else what is erased
}

// hit is a message that names the record.
type hit struct {
	sequence uint64
	match    match
}

// Found is what was found, and unless it was a dry run erased, in a stream.
type Found struct {
	Stream     string `json:"stream"`
	Deleted    int    `json:"deleted"`
	WithOthers int    `json:"withOthers"`       // of these, those that name other records too
	InText     int    `json:"inText,omitempty"` // of these, callbacks that cannot be decoded and have the id in their text
	Foreign    bool   `json:"foreign,omitempty"`
	Where      string `json:"where,omitempty"` // the journal of another replica, for a person
}

// most bounds the messages that one search of a stream remembers; what is behind them is found by the next.
const most = 1 << 18

// AccountsError says that several accounts have a record of that id.
type AccountsError struct {
	Record   Record
	Accounts []string
}

// Error names the accounts.
func (e *AccountsError) Error() string {
	return fmt.Sprintf("%s %s %s is a record of several accounts (%s): name one with --account", e.Record.Provider, e.Record.Module, e.Record.ID, strings.Join(e.Accounts, ", "))
}
