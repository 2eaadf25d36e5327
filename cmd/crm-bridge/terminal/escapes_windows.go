package terminal

import (
	"os"

	"golang.org/x/sys/windows"
)

// takesEscapes reports whether a terminal understands escape sequences, which Windows has to be asked for.
func takesEscapes(file *os.File) bool {
	var mode uint32
	handle := windows.Handle(file.Fd())
	return windows.GetConsoleMode(handle, &mode) == nil && windows.SetConsoleMode(handle, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
