package receive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// orgs are the sources of one label: of a CRM's first org, and of its further ones. Their callbacks come to the same routes, and what
// authenticates one says of which org it is.
type orgs struct {
	label   string
	of      []org    // never empty, the first org first
	secrets []string // of all CRMs, which no error shows
}

// org is the source of one org.
type org struct {
	source ingest.Source
	crm    *ingest.CRM // nil: the first
	key    string      // CRM.Org; empty: the first
}

// explain returns an error with the variables of the org.
func (o org) explain(err error) error {
	if o.crm == nil {
		return err
	}
	return o.crm.Explain(err)
}

// orgsOf returns the sources of the label of a first org's source.
func orgsOf(source ingest.Source, further []*ingest.CRM, secrets []string) orgs {
	all := orgs{label: source.Label(), of: []org{{source: source}}, secrets: secrets}
	for _, crm := range further {
		for _, other := range crm.Sources {
			if other.Label() == all.label {
				all.of = append(all.of, org{other, crm, crm.Org})
			}
		}
	}
	return all
}

// secretsOf returns the configured secrets of all orgs: of sources, and of the further orgs'.
func secretsOf(sources []ingest.Source, further []*ingest.CRM) (all []string) {
	sources = slices.Clone(sources)
	for _, crm := range further {
		sources = append(sources, crm.Sources...)
	}
	for _, source := range sources {
		all = append(all, source.Secrets().Values...)
	}
	return all
}

// verify returns the org whose source authenticates a callback. Every source is asked, also behind one that has accepted, so that the
// duration shows no more than the number of orgs. A callback that two accept is refused: it does not say of which org it is.
func (o orgs) verify(ctx context.Context, cb ingest.Callback) (accepted org, err error) {
	var failed []error
	accepted, found := o.ask(ctx, cb, func(err error) { failed = append(failed, err) })
	switch {
	case found == 1:
		return accepted, nil
	case found > 1:
		return org{}, fmt.Errorf("%w: %d orgs accept it; give each org secrets of its own", ingest.ErrForged, found)
	}
	for i, one := range o.of {
		failed[i] = one.explain(failed[i])
	}
	return org{}, o.refusal(failed)
}

// shown returns the org that the headers and the URL of a callback authenticate, if one does. The body may still show that it is forged.
func (o orgs) shown(ctx context.Context, cb ingest.Callback) (of org, authenticated bool) {
	accepted, found := o.ask(ctx, cb, func(error) {})
	if found != 1 {
		return org{}, false
	}
	return accepted, true
}

// ask returns how many orgs accept a callback, and one of them. It calls refused with the error of each other.
func (o orgs) ask(ctx context.Context, cb ingest.Callback, refused func(error)) (accepted org, found int) {
	for _, one := range o.of {
		err := one.source.Verify(ctx, cb)
		if err == nil {
			accepted, found = one, found+1
			continue
		}
		refused(err)
	}
	return accepted, found
}

// maxReasons bounds the reasons in the error of a callback that no org accepts.
const maxReasons = 3

// refusal is the error of a callback that no org accepts; failed are those of all orgs. One that could not be judged may be genuine.
func (o orgs) refusal(failed []error) error {
	if i := slices.IndexFunc(failed, func(err error) bool { return !errors.Is(err, ingest.ErrForged) }); i >= 0 {
		return failed[i]
	}
	var reasons []string
	for _, err := range failed {
		reason := strings.TrimPrefix(ingest.Show(err, o.secrets), ingest.ErrForged.Error()+": ")
		if !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
		if len(reasons) == maxReasons {
			break
		}
	}
	if len(reasons) == 1 {
		return fmt.Errorf("%w: %s", ingest.ErrForged, reasons[0])
	}
	return fmt.Errorf("%w: none of %d orgs accepts it: %s", ingest.ErrForged, len(failed), strings.Join(reasons, "; "))
}

// keyOf returns the CRM.Key of an org.
func (o orgs) keyOf(one org) string {
	if one.crm != nil {
		return one.crm.Key()
	}
	provider, _, _ := strings.Cut(o.label, "-")
	return provider
}
