package terminal

import "errors"

// ErrUsage marks an error in how a command was called.
var ErrUsage = errors.New("wrong usage")

// ErrSilent is returned by a command that has already said why it failed.
var ErrSilent = errors.New("failed")
