package main

import (
	"cmp"
	"slices"
	"strings"
)

// all returns each variable once, as it may be printed: those of the bridge itself, then those of each CRM, each in the
// order of their names.
func (e *environment) all(providers []string) []variable {
	var list []variable
	for _, v := range e.variables {
		if !slices.ContainsFunc(list, func(other variable) bool { return other.Name == v.Name }) {
			list = append(list, v.shown())
		}
	}
	slices.SortFunc(list, func(a, b variable) int {
		return cmp.Or(strings.Compare(a.provider(providers), b.provider(providers)), strings.Compare(a.Name, b.Name))
	})
	return list
}

// provider is the CRM that a variable belongs to; empty: none.
func (v variable) provider(providers []string) string {
	for _, provider := range providers {
		if strings.HasPrefix(v.Name, prefix+"_"+strings.ToUpper(provider)+"_") {
			return provider
		}
	}
	return ""
}
