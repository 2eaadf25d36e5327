package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Orgs reads the variables of one CRM: BRIDGE_ACME_… of its first org, and BRIDGE_ACME_EMEA_… of each further org that
// BRIDGE_ACME_ACCOUNTS names.
type Orgs struct {
	Env *Environment

	first   Org
	further []*Org
}

// Org is an org of a CRM.
type Org struct {
	Name string // as BRIDGE_ACME_ACCOUNTS has it; empty: the first

	prefix    string // BRIDGE_ACME_EMEA
	variables []Variable
	renames   map[string]string // the first org's variables to its own
	made      []unshared        // secrets
	env       *Environment
}

// orgNames are the names of further orgs.
type orgNames struct {
	Accounts []string `split_words:"true" desc:"names of further orgs, such as emea,us; each has every variable of this CRM for itself, with its name after the CRM's"`
}

// maxOrgs bounds the further orgs of a CRM: the proof of a callback is compared with the secrets of each.
const maxOrgs = 50

var orgName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// errOrgName says what the name of an org may be. It does not quote it: a value may be a secret in the wrong place.
const errOrgName = "must be 1 to 40 of the characters A-Z a-z 0-9 _ -"

// First fills the struct of a CRM for its first org: a struct with one field, which has the CRM's name and its variables. It reads the
// names of the further orgs too. Problems are added to Env.
func (o *Orgs) First(into any) (err error) {
	o.first.prefix = Prefix + "_" + strings.ToUpper(reflect.TypeOf(into).Elem().Field(0).Name)
	o.first.variables, err = o.Env.load(Prefix, into, "")
	o.Env.Problems.Add(err)
	var more orgNames
	_, err = o.Env.load(o.first.prefix, &more, "")
	o.Env.Problems.Add(err)
	o.Env.Problems.Add(o.name(more.Accounts))
	return nil
}

// name checks the names of further orgs, and takes those that can be used.
func (o *Orgs) name(accounts []string) error {
	var found Problems
	list := o.first.prefix + "_ACCOUNTS"
	if len(accounts) > maxOrgs {
		found.Add(fmt.Errorf("%s holds more than %d names", list, maxOrgs))
		accounts = accounts[:maxOrgs]
	}
	for i, name := range accounts {
		org := &Org{Name: strings.TrimSpace(name), env: o.Env}
		if org.Name == "" {
			continue
		}
		org.prefix = o.first.prefix + "_" + org.word()
		if err := o.collides(org); err != nil {
			found.Add(fmt.Errorf("%s entry %d %w", list, i+1, err))
			continue
		}
		org.renames = map[string]string{}
		for _, v := range o.first.variables {
			org.renames[v.Name] = org.prefix + "_" + o.first.short(v)
		}
		o.further = append(o.further, org)
	}
	return found.Err()
}

// collides returns why an org cannot have its name.
func (o *Orgs) collides(org *Org) error {
	if !orgName.MatchString(org.Name) {
		return errors.New(errOrgName)
	}
	if org.word() == "ACCOUNTS" {
		return errors.New("is the word of the variable itself: choose another name")
	}
	for _, v := range o.first.variables {
		if first, _, _ := strings.Cut(o.first.short(v), "_"); first == org.word() {
			return fmt.Errorf("is the first word of %s: choose another name", v.Name)
		}
	}
	if slices.ContainsFunc(o.further, func(other *Org) bool { return other.prefix == org.prefix }) {
		return fmt.Errorf("would have the same variables as an entry before it, %s_…: names must differ in more than case, - and _", org.prefix)
	}
	return nil
}

// Provider is the CRM's name, as the variables have it; empty: none were read.
func (o *Orgs) Provider() string {
	return strings.ToLower(strings.TrimPrefix(o.first.prefix, Prefix+"_"))
}

// Account is the first org's name in events; empty: callbacks of this CRM name their accounts.
func (o *Orgs) Account() string { return o.first.Account() }

// FirstOrg returns the first org, whose name is empty.
func (o *Orgs) FirstOrg() *Org { return &o.first }

// Further returns the further orgs, in the order of the variable that names them.
func (o *Orgs) Further() []*Org { return o.further }

// Check returns a problem for each account name that is not one, and for each value that only one org may have, because callbacks of
// two could be confused: secrets that authenticate them, and accounts. Call it after every org is loaded.
func (o *Orgs) Check() error {
	var found Problems
	type user struct{ org, by string }
	users := map[[2]string]user{}
	for _, org := range append([]*Org{&o.first}, o.further...) {
		for _, v := range org.variables {
			if org.short(v) == "ACCOUNT" && !orgName.MatchString(v.Value) {
				found.Add(invalid{v.Name, errors.New(v.Name + " " + errOrgName)})
			}
		}
		for _, one := range org.unshared() {
			if other, taken := users[one.at]; !taken {
				users[one.at] = user{org.prefix, one.by}
			} else if other.org != org.prefix {
				found.Add(fmt.Errorf("%s and %s hold the same value, and their orgs could be confused: give each org its own", other.by, one.by))
			}
		}
	}
	return found.Err()
}

// unshared is a value that only one org may have.
type unshared struct {
	at [2]string // what kind of value it is, and the value
	by string    // the variable or the file that holds it
}

// unshared returns the org's values that no other org may have. A secret may be of any variable, or made: its kind is empty.
func (o *Org) unshared() (all []unshared) {
	for _, v := range o.variables {
		kind := ""
		if !v.secret {
			kind = o.short(v)
		}
		for _, value := range v.entries() {
			if v.unshared {
				all = append(all, unshared{[2]string{kind, value}, v.SetBy()})
			}
		}
	}
	return append(all, o.made...)
}

// Made notes a secret that the bridge has made for the org, in a file of the data folder; Check refuses it in another org.
func (o *Org) Made(file, secret string) {
	if secret != "" {
		o.made = append(o.made, unshared{[2]string{"", secret}, "the file " + file + " in BRIDGE_DATA_DIR"})
	}
}

// word is the name as it stands in variables.
func (o *Org) word() string { return strings.ReplaceAll(strings.ToUpper(o.Name), "-", "_") }

// short is the name of a variable of the org without its prefix.
func (o *Org) short(v Variable) string { return strings.TrimPrefix(v.Name, o.prefix+"_") }

// Key names what belongs to the org, such as its files and its shared state. Names with the same variables have the same key.
func (o *Org) Key() string { return strings.ToLower(o.word()) }

// Account is the org's name in events. Where callbacks of the CRM name their accounts it is the Name.
func (o *Org) Account() string {
	for _, v := range o.variables {
		if o.short(v) == "ACCOUNT" {
			return v.Value
		}
	}
	return o.Name
}

// Load fills the struct of the CRM for the org. Problems are added to Orgs.Env.
func (o *Org) Load(into any) (err error) {
	o.variables, err = o.env.load(o.prefix, reflect.ValueOf(into).Elem().Field(0).Addr().Interface(), o.Name)
	o.env.Problems.Add(err)
	return nil
}

// Rename returns a text about the CRM with the variables of the org in place of the first org's.
func (o *Org) Rename(text string) string {
	return ours.ReplaceAllStringFunc(text, func(name string) string {
		bare := strings.TrimSuffix(name, "_FILE")
		if own, ok := o.renames[bare]; ok {
			return own + name[len(bare):]
		}
		return name
	})
}
