package pipedrive

import (
	"fmt"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// everything is the object, and the action, of a webhook for all of them.
const everything = "*"

// modules are the objects of webhooks, as of 2026 (Guide for Webhooks v2).
var modules = []string{
	"deal", "person", "organization", "activity", "lead", "product", "note", "pipeline", "stage", "user",
	"deal_product", "deal_installment", "project", "phase", "board", "task",
}

// listable are the modules that have lists.
var listable = []string{"deal", "person", "organization", "activity", "product", "lead"}

// nativeOperations are Pipedrive's words.
var nativeOperations = map[string]string{"create": "create", "edit": "change", "delete": "delete"}

// nativeOf returns Pipedrive's word for an operation.
func nativeOf(operation string) string {
	if native, ok := nativeOperations[operation]; ok {
		return native
	}
	return operation
}

// Events are the events to subscribe to, by module; of everything for "all".
type Events ingest.WantedEvents

// Decode reads events from an environment variable.
func (e *Events) Decode(value string) error {
	if slices.ContainsFunc(strings.Split(value, ","), func(entry string) bool { return strings.EqualFold(strings.TrimSpace(entry), "all") }) {
		*e = Events{{Module: everything, Operations: ingest.AllOperations}}
		return nil
	}
	var wanted ingest.WantedEvents
	if err := wanted.Decode(value); err != nil {
		return err
	}
	for _, w := range wanted {
		if !slices.Contains(modules, w.Module) {
			return fmt.Errorf("names an unknown module; Pipedrive's are %s; or write all", strings.Join(modules, ", "))
		}
	}
	*e = Events(wanted)
	return nil
}

// Subjects returns the modules and operations of the events, as in their subjects: deal.edit.
func (e Events) Subjects() []string {
	var each ingest.WantedEvents
	for _, w := range e {
		if w.Module != everything {
			each = append(each, w)
			continue
		}
		for _, module := range modules {
			each = append(each, ingest.ModuleEvents{Module: module, Operations: w.Operations})
		}
	}
	return each.Subjects()
}

// subscription is what one webhook reports: an action of an object, each of them everything for all.
type subscription struct{ object, action string }

func (s subscription) String() string { return s.object + "." + s.action }

// gapModules returns the modules of which a gap of the subscription is one: of everything those that can be listed.
func (s subscription) gapModules() []string {
	if s.object != everything {
		return []string{s.object}
	}
	return listable
}

// subscriptions returns what to subscribe to.
func (e Events) subscriptions() (all []subscription) {
	for _, w := range e {
		if len(w.Operations) == len(ingest.AllOperations) {
			all = append(all, subscription{w.Module, everything})
			continue
		}
		for _, operation := range w.Operations {
			all = append(all, subscription{w.Module, nativeOf(operation)})
		}
	}
	return all
}
