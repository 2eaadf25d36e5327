package zoho

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// moduleEvents are the events of a module to subscribe to.
type moduleEvents struct {
	Module     string   // API name
	Operations []string // of create, edit and delete, in this order
}

// Events are the events to subscribe to, read from "Deals.all,Contacts.create"; each module has one entry.
type Events []moduleEvents

var allOperations = []string{"create", "edit", "delete"}

// Decode reads events from an environment variable.
func (e *Events) Decode(value string) error {
	var events Events
	entry := 0
	for text := range strings.SplitSeq(value, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		entry++
		module, operation, ok := strings.Cut(text, ".")
		if !ok || ingest.CheckModule(module) != nil {
			return fmt.Errorf("entry %d is not of the form Module.operation, such as Deals.all (the module by its API name)", entry)
		}
		operations, err := parseOperation(operation)
		if err != nil {
			return fmt.Errorf("entry %d: %w", entry, err)
		}
		events = events.add(module, operations)
	}
	if len(events) == 0 {
		return errors.New("names no event; write Deals.all,Contacts.create")
	}
	*e = events
	return nil
}

func parseOperation(word string) ([]string, error) {
	word = strings.ToLower(word)
	if word == "all" {
		return allOperations, nil
	}
	if !slices.Contains(allOperations, word) {
		return nil, errors.New("the operation must be create, edit, delete or all")
	}
	return []string{word}, nil
}

func (e Events) add(module string, operations []string) Events {
	i := slices.IndexFunc(e, func(w moduleEvents) bool { return w.Module == module })
	if i < 0 {
		i = len(e)
		e = append(e, moduleEvents{Module: module})
	}
	known := e[i].Operations
	e[i].Operations = slices.DeleteFunc(slices.Clone(allOperations), func(operation string) bool {
		return !slices.Contains(known, operation) && !slices.Contains(operations, operation)
	})
	return e
}

// Subjects returns the modules and operations of the events, as in their subjects: Deals.edit.
func (e Events) Subjects() []string {
	var subjects []string
	for _, wanted := range e {
		for _, operation := range wanted.Operations {
			subjects = append(subjects, wanted.Module+"."+operation)
		}
	}
	return subjects
}

// names returns the events as actions/watch accepts them.
func (w moduleEvents) names() []string {
	if len(w.Operations) == len(allOperations) {
		return []string{w.Module + ".all"}
	}
	names := make([]string, len(w.Operations))
	for i, operation := range w.Operations {
		names[i] = w.Module + "." + operation
	}
	return names
}
