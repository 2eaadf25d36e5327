package config

import "errors"

// rule is something that settings must satisfy, and what to say if they do not.
type rule struct {
	ok  bool
	say string
}

// broken returns a problem for each rule that is not satisfied.
func broken(rules []rule) error {
	var found Problems
	for _, one := range rules {
		if !one.ok {
			found.Add(errors.New(one.say))
		}
	}
	return found.Err()
}

// OneOf reports whether value is one of words.
func OneOf(value string, words ...string) bool {
	for _, word := range words {
		if value == word {
			return true
		}
	}
	return false
}

func paired(a, b string) bool { return (a == "") == (b == "") }
