package terminal

import "errors"

// ErrUsage marks an error of whoever typed the command.
var ErrUsage = errors.New("wrong usage")

// ErrSilent is returned by a command that has already said why it failed.
var ErrSilent = errors.New("failed")
