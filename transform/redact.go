package transform

import "github.com/crm-bridge/crm-bridge/ingest"

// Redactor removes secrets from what is stored or shown: members with secret names, and known secrets wherever else they appear, which
// are masked.
type Redactor struct {
	sources map[string]*rules
	secrets *finder
	looks   looks
}

// NewRedactor returns a redactor for the secrets of all sources, by source label, those of further orgs by OfOrg.
func NewRedactor(secrets map[string]ingest.Secrets) *Redactor {
	r := &Redactor{sources: map[string]*rules{}}
	var values []string
	var more []ingest.Look
	for label, s := range secrets {
		r.sources[label] = compile(s)
		values, more = append(values, s.Values...), append(more, s.Looks...)
	}
	r.looks = newLooks(more)
	r.secrets = newFinder(needles(values, true))
	return r
}

// cleaner returns a cleaner for a callback, that knows the configured secrets.
func (r *Redactor) cleaner(source, org string) *cleaner {
	return &cleaner{rules: r.of(source, org), looks: r.looks, configured: r.secrets}
}

// OfOrg names the secrets of a source of an org for NewRedactor; the first org's name is empty.
func OfOrg(source, org string) string {
	if org == "" {
		return source
	}
	return source + "\n" + org
}

// of returns the rules of a source of an org, else those of the first org: what a source removes may depend on its configuration, and
// configured secrets are masked everywhere.
func (r *Redactor) of(source, org string) *rules {
	for _, name := range []string{OfOrg(source, org), source} {
		if known := r.sources[name]; known != nil {
			return known
		}
	}
	return &rules{}
}
