// Package terminal writes for people: errors in plain words, progress, colours, events, the log.
package terminal

import (
	"fmt"
	"io"
)

// Say writes for a person; errors of the writer are ignored.
func Say(to io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }
