package ingest

import "context"

// Key names the org of a CRM in the state that replicas share, and in the bridge: the provider, and for an org beside the first its name.
func (c *CRM) Key() string {
	if c.Org == "" {
		return c.Provider
	}
	return c.Provider + "." + c.Org
}

// OfOrg returns the part of the state that belongs to an org of a provider; of the first org, whose name is empty, all of it.
func (s State) OfOrg(provider, org string) State {
	if org == "" || s.Shared == nil {
		return s
	}
	prefix := "org." + provider + "." + org + "."
	return State{Shared: below{s.Shared, prefix}, Secret: below{s.Secret, prefix}}
}

// below is the part of a Store whose keys have a prefix.
type below struct {
	Store
	prefix string
}

// Load implements Store.
func (b below) Load(ctx context.Context, key string) ([]byte, uint64, error) {
	return b.Store.Load(ctx, b.prefix+key)
}

// Save implements Store.
func (b below) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	return b.Store.Save(ctx, b.prefix+key, value, revision)
}

// Explain returns an error of the CRM's with the variables of its org in place of the first org's; nil for nil. It wraps err.
func (c *CRM) Explain(err error) error {
	if err == nil || c.Rename == nil {
		return err
	}
	text := c.Rename(err.Error())
	if text == err.Error() {
		return err
	}
	return explained{err, text}
}

// explained is an error in other words.
type explained struct {
	error
	text string
}

// Error implements error.
func (e explained) Error() string { return e.text }

// Unwrap returns the error as the CRM had it.
func (e explained) Unwrap() error { return e.error }

// Proof returns what authenticates samples of one of the CRM's sources, as Sampler.Proof does, but of the CRM's org; ok is false where
// the source makes none.
func (c *CRM) Proof(source Source) (variable, file string, ok bool) {
	sampler, ok := source.(Sampler)
	if !ok {
		return "", "", false
	}
	if variable, file = sampler.Proof(); file != "" {
		file = OrgFile(file, c.Org)
	}
	if c.Rename != nil {
		variable = c.Rename(variable)
	}
	return variable, file, true
}

// OrgFile returns the name of a secret that the bridge makes for an org; the first org's name is empty.
func OrgFile(name, org string) string {
	if org == "" {
		return name
	}
	return name + "-" + org
}

// AccountOf returns whose data a callback of a source holds, as far as that is known without decoding it: what the callback says, else
// the org's Account.
func (c *CRM) AccountOf(source Source, cb Callback) string {
	if names, ok := source.(NamesAccount); ok {
		if account := names.AccountOf(cb); account != "" {
			return account
		}
	}
	return c.Account
}

// NamesAccount is a Source whose callbacks name their account.
type NamesAccount interface {
	// AccountOf returns the account that an authenticated callback names; empty where it cannot be read.
	AccountOf(cb Callback) string
}
