package main

import "errors"

// errUsage marks an error of whoever typed the command.
var errUsage = errors.New("wrong usage")

// errSilent is returned by a command that has already said why it failed.
var errSilent = errors.New("failed")
