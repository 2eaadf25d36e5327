package main

import (
	"fmt"
	"io"
)

// say writes for a person; whoever has gone away misses it.
func say(to io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }
