package bitrix24

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Wanted are names of events to be bound, as they are on the wire, sorted. They are read from "Deal.all,Contact.create",
// from "ONCRMDEALUPDATE", or from both.
type Wanted []string

// Decode reads wanted events from an environment variable.
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

// Subjects are the modules and operations of the events, as their subjects name them: Deal.edit.
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

// wanted returns the names of the events that an entry of the variable stands for.
func (t table) wanted(entry string) ([]string, error) {
	upper := strings.ToUpper(entry)
	if event, _, err := t.resolve(upper); err == nil && event.module != unknown {
		if event.module == "App" || event.module == "OfflineQueue" {
			return nil, errors.New("is an event that the bridge looks after by itself")
		}
		return []string{upper}, nil
	}
	module, operation, ok := strings.Cut(entry, ".")
	if !ok || strings.Contains(operation, ".") {
		return nil, errors.New("is no event: write Deal.all, Deal.edit or the name of an event such as ONCRMDEALUPDATE")
	}
	if !strings.EqualFold(operation, "all") {
		word, err := ingest.Operation(operation)
		if err == nil {
			var name string
			if name, err = t.nameOf(module, word); err == nil {
				return []string{name}, nil
			}
		}
		return nil, errors.New("is an operation for which the module has no event (Deal.all takes every one that it has)")
	}
	var names []string
	for _, event := range t.all {
		if !strings.EqualFold(event.module, module) || event.module == "App" || event.module == "OfflineQueue" {
			continue
		}
		if strings.HasPrefix(event.name, "CATALOG.") && len(names) > 0 && strings.HasPrefix(names[0], "ONCRM") { // which would tell of the same products again
			continue
		}
		names = append(names, event.name)
	}
	if names == nil {
		return nil, errors.New("names a module that is not known; Lead, Deal, Contact, Company, Quote, DynamicItem and Activity are (docs/bitrix24.md)")
	}
	return names, nil
}

// moduleOf is the module of an event's name.
func (t table) moduleOf(name string) string {
	event, _, err := t.resolve(name)
	if err != nil {
		return unknown
	}
	return event.module
}
