package bitrix24

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Wanted are the names of the events to bind, as on the wire, sorted. They are read from a list such as
// "Deal.all,Contact.create,ONCRMLEADADD".
type Wanted []string

// Decode reads events from an environment variable.
func (w *Wanted) Decode(value string) error {
	table, err := openTable()
	if err != nil {
		return err
	}
	var names []string
	for i, entry := range strings.Split(value, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		found, err := table.wanted(entry)
		if err != nil {
			return fmt.Errorf("entry %d %w", i+1, err)
		}
		names = append(names, found...)
	}
	if len(names) == 0 {
		return errors.New("names no event")
	}
	slices.Sort(names)
	*w = slices.Compact(names)
	return nil
}

// Subjects returns the modules and operations of the events, as in their subjects: Deal.edit.
func (w Wanted) Subjects() ([]string, error) {
	table, err := openTable()
	if err != nil {
		return nil, err
	}
	var subjects []string
	for _, name := range w {
		if event, _, err := table.resolve(name); err == nil {
			subjects = append(subjects, event.module+"."+event.operation)
		}
	}
	slices.Sort(subjects)
	return slices.Compact(subjects), nil
}

// wanted returns the names of the events of an entry.
func (t table) wanted(entry string) ([]string, error) {
	upper := strings.ToUpper(entry)
	if event, _, err := t.resolve(upper); err == nil && event.module != unknown {
		if event.module == "App" || event.module == "OfflineQueue" {
			return nil, errors.New("is an event that the bridge binds by itself")
		}
		return []string{upper}, nil
	}
	module, operation, ok := strings.Cut(entry, ".")
	if !ok || strings.Contains(operation, ".") {
		return nil, errors.New("is not an event: write Deal.all, Deal.edit or the name of an event such as ONCRMDEALUPDATE")
	}
	if !strings.EqualFold(operation, "all") {
		word, err := ingest.Operation(operation)
		if err == nil {
			var name string
			if name, err = t.nameOf(module, word); err == nil {
				return []string{name}, nil
			}
		}
		return nil, errors.New("is an operation for which the module has no event (Deal.all means all that it has)")
	}
	var names []string
	for _, event := range t.all {
		if !strings.EqualFold(event.module, module) || event.module == "App" || event.module == "OfflineQueue" {
			continue
		}
		if strings.HasPrefix(event.name, "CATALOG.") && len(names) > 0 && strings.HasPrefix(names[0], "ONCRM") { // they report the same products
			continue
		}
		names = append(names, event.name)
	}
	if names == nil {
		return nil, errors.New("names an unknown module; known ones are Lead, Deal, Contact, Company, Quote, DynamicItem and Activity (docs/bitrix24.md)")
	}
	return names, nil
}

// moduleOf returns the module of an event.
func (t table) moduleOf(name string) string {
	event, _, err := t.resolve(name)
	if err != nil {
		return unknown
	}
	return event.module
}
