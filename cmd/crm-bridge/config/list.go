package config

import (
	"cmp"
	"slices"
	"strings"
)

// All returns each variable once, as it may be printed: those of the bridge itself, then those of each CRM's orgs, each in the
// order of their names.
func (e *Environment) All(providers []string) []Variable {
	var list []Variable
	for _, v := range e.Variables {
		if !slices.ContainsFunc(list, func(other Variable) bool { return other.Name == v.Name }) {
			list = append(list, v.shown())
		}
	}
	slices.SortFunc(list, func(a, b Variable) int {
		return cmp.Or(strings.Compare(a.Provider(providers), b.Provider(providers)), strings.Compare(a.org, b.org), strings.Compare(a.Name, b.Name))
	})
	return list
}

// Replace shows a variable with the value that is used in place of its own, and where that comes from.
func (e *Environment) Replace(name, value, from string) {
	for i := range e.Variables {
		if v := &e.Variables[i]; v.Name == name {
			v.Value, v.From = value, from
		}
	}
}

// Provider is the CRM that a variable belongs to; empty: none.
func (v Variable) Provider(providers []string) string {
	for _, provider := range providers {
		if strings.HasPrefix(v.Name, Prefix+"_"+strings.ToUpper(provider)+"_") {
			return provider
		}
	}
	return ""
}

// Owner is whom a variable belongs to: the CRM, with the name of an org beside its first, or OpenTelemetry; empty: the bridge itself.
func (v Variable) Owner(providers []string) string {
	if strings.HasPrefix(v.Name, OTelPrefix+"_") {
		return "OpenTelemetry"
	}
	return strings.TrimSpace(v.Provider(providers) + " " + v.org)
}
