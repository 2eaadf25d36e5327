package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Problems are what is wrong with a configuration. Each names its variable and shows no value that may be secret.
type Problems []error

// Error implements error: the first problem, and the number of the others.
func (p Problems) Error() string {
	if len(p) == 1 {
		return p[0].Error()
	}
	return fmt.Sprintf("%v (and %d more: crm-bridge config check lists all)", p[0], len(p)-1)
}

// Unwrap returns all of them, for errors.Is and errors.As.
func (p Problems) Unwrap() []error { return p }

// Err returns them as an error; nil where there is none.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// invalid is a problem of one variable alone: a value that cannot be read, or a name that does not exist.
type invalid struct {
	variable string
	error
}

// Unwrap returns the error of the variable.
func (i invalid) Unwrap() error { return i.error }

// Prefix is that of every variable, without its underscore.
const Prefix = "BRIDGE"

// ours matches the names of variables in a text.
var ours = regexp.MustCompile(Prefix + `_[A-Z0-9_]+`)

// Add adds each error that err joins, but nothing twice, and nothing that only follows from an invalid variable: one that
// cannot be read counts as not set.
func (p *Problems) Add(err error) {
	for _, one := range Each(err) {
		follows := !errors.As(one, &invalid{}) && slices.ContainsFunc(ours.FindAllString(one.Error(), -1), p.invalid)
		if !follows && !slices.ContainsFunc(*p, func(other error) bool { return other.Error() == one.Error() }) {
			*p = append(*p, one)
		}
	}
}

// invalid reports whether a variable of that name cannot be read.
func (p *Problems) invalid(name string) bool {
	return slices.ContainsFunc(*p, func(one error) bool {
		var of invalid
		return errors.As(one, &of) && of.variable == strings.TrimSuffix(name, "_FILE")
	})
}

// Each returns the errors of a list, which Problems or errors.Join made; none for nil. A list inside of another error is part of
// its sentence.
func Each(err error) []error {
	var parts []error
	switch list := err.(type) { //nolint:errorlint // see above
	case nil:
		return nil
	case Problems:
		parts = list
	case interface{ Unwrap() []error }:
		parts = list.Unwrap()
		if joined := errors.Join(parts...); joined == nil || joined.Error() != err.Error() {
			return []error{err}
		}
	default:
		return []error{err}
	}
	var all []error
	for _, part := range parts {
		all = append(all, Each(part)...)
	}
	return all
}
