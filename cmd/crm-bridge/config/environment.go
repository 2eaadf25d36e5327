package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/kelseyhightower/envconfig"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Variable is one setting as the environment gives it.
type Variable struct {
	Name    string `json:"name"`
	Value   string `json:"value"` // masked where it is secret
	From    string `json:"from"`  // "default", "environment", "file <path>" or "systemd socket"
	Default string `json:"default"`
	Meaning string `json:"meaning"`

	secret   bool
	list     bool   // entries are separated by commas
	keyed    bool   // entries are id:value
	unshared bool   // no two orgs of a CRM may have the same value
	org      string // name of the org beside a CRM's first; empty: none
}

// Environment fills config structs with envconfig, and knows every variable that any of them reads.
type Environment struct {
	Variables []Variable
	Problems  Problems // of what Orgs have loaded
}

// Load fills into, a pointer to a struct. NAME_FILE stands in for NAME; an empty variable counts as not set. It returns all
// problems; each names its variable and never shows its value, which may be a secret. What cannot be read is not set.
func (e *Environment) Load(into any) error {
	_, err := e.load(Prefix, into, "")
	return err
}

// load is Load with a prefix, for the org of a name, which is the default of its ACCOUNT; empty: none. It returns the variables.
func (e *Environment) load(prefix string, into any, org string) ([]Variable, error) {
	variables, err := describe(prefix, into)
	if err != nil {
		return nil, err
	}
	var found Problems
	for i := range variables {
		v := &variables[i]
		v.org = org
		named := org != "" && v.Name == prefix+"_ACCOUNT"
		if named {
			v.Default = org
		}
		restore, err := v.resolve()
		defer restore()
		if err != nil {
			found.Add(invalid{v.Name, err})
			defer hide(v.Name)()
		} else if named && v.From == "default" { // which no tag of the struct says
			defer show(v.Name, org)()
		}
	}
	e.Variables = append(e.Variables, variables...)
	for {
		err := envconfig.Process(prefix, into)
		var parse *envconfig.ParseError
		if !errors.As(err, &parse) || found.invalid(parse.KeyName) {
			found.Add(err)
			return variables, found.Err()
		}
		found.Add(invalid{parse.KeyName, fmt.Errorf("%s %s", parse.KeyName, reason(parse.Err))})
		defer hide(parse.KeyName)()
	}
}

// hide unsets a variable until it is restored.
func hide(name string) (restore func()) {
	value, isSet := os.LookupEnv(name)
	_ = os.Unsetenv(name)
	return func() {
		if isSet {
			_ = os.Setenv(name, value)
		}
	}
}

// show sets a variable until it is restored.
func show(name, value string) (restore func()) {
	before, isSet := os.LookupEnv(name)
	_ = os.Setenv(name, value) // its text was checked
	return func() {
		if _ = os.Unsetenv(name); isSet {
			_ = os.Setenv(name, before)
		}
	}
}

// reason is what a Decode method of ours says; the errors of the standard library quote the value.
func reason(err error) string {
	text := err.Error()
	switch {
	case strings.HasPrefix(text, "strconv.ParseBool"):
		return "must be true or false"
	case strings.HasPrefix(text, "strconv."):
		return "must be a whole number in range"
	}
	return text
}

// describe lists the variables that envconfig reads into a struct.
func describe(prefix string, into any) ([]Variable, error) {
	var text strings.Builder
	err := envconfig.Usagef(prefix, into, &text,
		`{{range .}}{{usage_key .}}{{"\t"}}{{usage_default .}}{{"\t"}}{{usage_description .}}{{"\t"}}{{.Tags.Get "secret"}}{{"\t"}}{{.Tags.Get "list"}}{{.Field.Kind}}{{"\t"}}{{.Tags.Get "unshared"}}{{"\n"}}{{end}}`)
	if err != nil {
		return nil, err
	}
	var variables []Variable
	for line := range strings.Lines(text.String()) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		list := slices.Contains([]string{"slice", "map", "truestring"}, fields[4])
		variables = append(variables, Variable{
			Name: fields[0], Default: fields[1], Meaning: fields[2],
			secret: fields[3] == "true", list: list, keyed: fields[4] == "map", unshared: fields[5] == "true",
		})
	}
	return variables, nil
}

// resolve finds the variable's value and shows it to envconfig; restore puts the environment back.
func (v *Variable) resolve() (restore func(), err error) {
	restore = func() {}
	v.From, v.Value = "default", v.Default
	value, isSet := os.LookupEnv(v.Name)
	path := os.Getenv(v.Name + "_FILE")
	source, text := v.Name, strings.TrimPrefix(strings.TrimRight(value, "\r\n"), byteOrderMark)
	switch {
	case value != "" && path != "":
		return restore, fmt.Errorf("%s and %s_FILE are both set: keep one", v.Name, v.Name)
	case path != "":
		if text, err = readText(path); err != nil {
			return restore, fmt.Errorf("%s_FILE %w", v.Name, err)
		}
		v.From, source = "file "+path, fmt.Sprintf("%s_FILE (%s)", v.Name, path)
	case value != "":
		v.From = "environment"
	case isSet:
		return func() { _ = os.Setenv(v.Name, "") }, os.Unsetenv(v.Name)
	default:
		return restore, nil
	}
	parsed, err := parseText(text, v.list)
	if err != nil {
		return restore, fmt.Errorf("%s %w", source, err)
	}
	if v.Value = parsed; path == "" && !v.list {
		v.Value = text // white space around it may belong to it
	}
	return show(v.Name, v.Value), nil
}

// entries are the values of the variable: of a list each entry, of entries with an id what follows it.
func (v Variable) entries() []string {
	if !v.list {
		return slices.DeleteFunc([]string{v.Value}, func(value string) bool { return value == "" })
	}
	var all []string
	for entry := range strings.SplitSeq(v.Value, ",") {
		if _, value, ok := strings.Cut(entry, ":"); ok && v.keyed {
			entry = value
		}
		if entry = strings.TrimSpace(entry); entry != "" {
			all = append(all, entry)
		}
	}
	return all
}

// SetBy is the name of the variable by which it was set.
func (v Variable) SetBy() string {
	if strings.HasPrefix(v.From, "file ") {
		return v.Name + "_FILE"
	}
	return v.Name
}

// seed is an NKey seed where the name of its file should stand.
var seed = regexp.MustCompile(`^S[A-Z2-7]{50,}$`)

// shown is the variable as it may be printed.
func (v Variable) shown() Variable {
	if v.secret && v.Value != "" || seed.MatchString(v.Value) {
		v.Value = "***"
	}
	v.Value = publish.HideUser(v.Value)
	return v
}
