package config

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// kubernetes matches what Kubernetes injects for a Service in the pod's namespace.
var (
	kubernetes     = regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)
	kubernetesPort = regexp.MustCompile(`_PORT(_|$)`)
)

func injected(name, value string) bool {
	return kubernetes.MatchString(name) ||
		kubernetesPort.MatchString(name) && (strings.HasPrefix(value, "tcp://") || strings.HasPrefix(value, "udp://"))
}

// CheckUnknown returns a problem for each variable with our prefix that nothing reads, with the known one that is most like
// it. Call it after every struct is loaded.
func (e *Environment) CheckUnknown() error {
	var found Problems
	environ := os.Environ()
	slices.Sort(environ)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, Prefix+"_") || injected(name, value) || e.knows(strings.TrimSuffix(name, "_FILE")) || e.knows(name) {
			continue
		}
		found.Add(invalid{name, fmt.Errorf("%s is not a variable of crm-bridge; the nearest is %s%s (crm-bridge config lists them all)", name, e.nearest(name), e.unnamedOrg(name))})
	}
	return found.Err()
}

func (e *Environment) knows(name string) bool {
	return slices.ContainsFunc(e.Variables, func(v Variable) bool { return v.Name == name })
}

func (e *Environment) nearest(name string) string {
	best, least := "", len(name)+100
	for _, v := range e.Variables {
		if d := distance(name, v.Name); d < least {
			best, least = v.Name, d
		}
	}
	return best
}

// distance is the number of characters to insert, delete or replace to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// unnamedOrg returns what to add to the problem of an unknown variable that could be one of an org; empty: it could not.
func (e *Environment) unnamedOrg(name string) string {
	for _, list := range e.Variables {
		crm, isList := strings.CutSuffix(list.Name, "_ACCOUNTS")
		if !isList || !strings.HasPrefix(name, crm+"_") {
			continue
		}
		for _, v := range e.Variables {
			short, isOf := strings.CutPrefix(v.Name, crm+"_")
			if org, found := strings.CutSuffix(strings.TrimSuffix(name, "_FILE"), "_"+short); isOf && found && len(org) > len(crm)+1 {
				return ", or its org is missing in " + list.Name
			}
		}
	}
	return ""
}
