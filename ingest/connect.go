package ingest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Connecting is what instructions for setting up callbacks depend on, beside the configuration of the CRM.
type Connecting struct {
	PublicURL string // where the CRM reaches the bridge, without a slash at the end
	// Module and Operation are what the callbacks shall report, as in subjects, and "all" for create, edit and delete. Empty: what is
	// configured, else an example.
	Module, Operation string
	Now               time.Time
	// NewSecret returns a random secret, for a variable that is not set and must be.
	NewSecret func() string
}

// Instruction is a step by which a person has a CRM call the bridge.
type Instruction struct {
	Source  string    `json:"source"`          // label of the source whose callbacks it brings
	Heading string    `json:"heading"`         // where in the CRM, by the names of its menus, or what the step is about
	Text    string    `json:"text"`            // what to do there, in a sentence or two
	Done    bool      `json:"done,omitempty"`  // nothing is left to do: the bridge does it by itself
	Paste   []Paste   `json:"paste,omitempty"` // into the CRM, in this order
	Set     []Setting `json:"set,omitempty"`   // for the bridge, which reads them when it starts
}

// Paste is a value to paste into a CRM.
type Paste struct {
	Name   string    `json:"name"` // of the field in the CRM, as it is written there
	Value  string    `json:"value"`
	Kind   PasteKind `json:"kind"`
	Secret bool      `json:"secret,omitempty"` // whoever has the value can forge callbacks
}

// PasteKind says what a value to paste is.
type PasteKind string

// The kinds of values to paste.
const (
	PasteURL   PasteKind = "url"
	PasteJSON  PasteKind = "json"  // the body of an API call
	PasteToken PasteKind = "token" // authenticates callbacks
	PasteText  PasteKind = "text"
)

// Setting is a variable of the bridge that is to be set.
type Setting struct {
	Variable string `json:"variable"`
	Value    string `json:"value,omitempty"`  // empty: only From knows it
	From     string `json:"from,omitempty"`   // where the CRM shows the value, or its part in capitals; empty: Value is all of it
	Secret   bool   `json:"secret,omitempty"` // the value must stay private
}

// SecretFor returns the first of the configured secrets; where there is none, a new one with the setting of the variable that needs it.
func (c Connecting) SecretFor(configured SecretList, variable string) (string, []Setting) {
	if len(configured) > 0 {
		return configured[0], nil
	}
	secret := c.NewSecret()
	return secret, []Setting{{Variable: variable, Value: secret, Secret: true}}
}

// URL returns the public URL of a path of the bridge, with a query.
func (c Connecting) URL(path string, query url.Values) string {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.PublicURL + path
}

// Wanted returns the events that callbacks shall report: the chosen ones, else the configured ones, else all of an example's module.
func (c Connecting) Wanted(configured WantedEvents, example string) (WantedEvents, error) {
	if c.Module == "" && c.Operation == "" && len(configured) > 0 {
		return configured, nil
	}
	module := cmp.Or(c.Module, example)
	if err := CheckModule(module); err != nil {
		return nil, fmt.Errorf("the module %q: %w", module, err)
	}
	operations, err := ParseOperations(cmp.Or(c.Operation, "all"))
	if err != nil {
		return nil, err
	}
	return WantedEvents{}.Add(module, operations), nil
}

// Reports reports whether the operation can be one of a subscription: create, edit, delete, or all of them. Only a webhook whose URL names
// the operation can report another word.
func (c Connecting) Reports() bool {
	_, err := ParseOperations(cmp.Or(c.Operation, "all"))
	return err == nil
}

// Word returns the operation for a URL that names one: the chosen word, else an example.
func (c Connecting) Word(example string) (string, error) {
	if c.Operation == "" || c.Operation == "all" {
		return example, nil
	}
	return Operation(c.Operation)
}

// Need is a setting that a way to connect needs, and whether its variable is configured.
type Need struct {
	Configured bool
	Setting    Setting
}

// Missing returns the settings that are not configured.
func Missing(needs ...Need) (missing []Setting) {
	for _, need := range needs {
		if !need.Configured {
			missing = append(missing, need.Setting)
		}
	}
	return missing
}

// Indented returns a value as JSON to paste: with line breaks, and with & in URLs as it is.
func Indented(value any) (string, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(value)
	return strings.TrimSpace(text.String()), err
}
