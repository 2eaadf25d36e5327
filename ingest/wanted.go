package ingest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ModuleEvents are the events of a module to subscribe to.
type ModuleEvents struct {
	Module     string   // as the CRM's API writes it
	Operations []string // of create, edit and delete, in this order
}

// WantedEvents are the events to subscribe to, read from "Deals.all,Contacts.create"; each module has one entry.
type WantedEvents []ModuleEvents

// AllOperations are those that "all" stands for.
var AllOperations = []string{"create", "edit", "delete"}

// Decode reads events from an environment variable.
func (e *WantedEvents) Decode(value string) error {
	var events WantedEvents
	for i, text := range splitList(value) {
		module, operation, ok := strings.Cut(text, ".")
		if !ok || CheckModule(module) != nil {
			return fmt.Errorf("entry %d is not of the form Module.operation, such as Deals.all (the module by its API name)", i+1)
		}
		operations, err := ParseOperations(operation)
		if err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
		events = events.Add(module, operations)
	}
	if len(events) == 0 {
		return errors.New("names no event; write Deals.all,Contacts.create")
	}
	*e = events
	return nil
}

// ParseOperations returns the operations that a word means: create, edit, delete, or all of them.
func ParseOperations(word string) ([]string, error) {
	word = strings.ToLower(word)
	if word == "all" {
		return AllOperations, nil
	}
	if !slices.Contains(AllOperations, word) {
		return nil, errors.New("the operation must be create, edit, delete or all")
	}
	return []string{word}, nil
}

// Add returns the events with operations of a module added.
func (e WantedEvents) Add(module string, operations []string) WantedEvents {
	i := slices.IndexFunc(e, func(w ModuleEvents) bool { return w.Module == module })
	if i < 0 {
		i = len(e)
		e = append(e, ModuleEvents{Module: module})
	}
	known := e[i].Operations
	e[i].Operations = slices.DeleteFunc(slices.Clone(AllOperations), func(operation string) bool {
		return !slices.Contains(known, operation) && !slices.Contains(operations, operation)
	})
	return e
}

// Subjects returns the modules and operations of the events, as in their subjects: Deals.edit.
func (e WantedEvents) Subjects() []string {
	var subjects []string
	for _, wanted := range e {
		for _, operation := range wanted.Operations {
			subjects = append(subjects, wanted.Module+"."+operation)
		}
	}
	return subjects
}
