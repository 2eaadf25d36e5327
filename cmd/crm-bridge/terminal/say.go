// Package terminal writes for people: errors in plain words, progress, colours, events.
package terminal

import (
	"fmt"
	"io"
)

// Say writes for a person; whoever has gone away misses it.
func Say(to io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }
