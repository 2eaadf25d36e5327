package bitrix24

import (
	_ "embed" // events.tsv
	"fmt"
	"regexp"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// events.tsv lists the events of Bitrix24's REST documents: name on the wire, module, the CRM's word for the operation.
// Events with an entity type as a suffix are listed without it.
//
//go:embed events.tsv
var eventsTSV string

// unknown is the module of events that are neither in the table nor follow its pattern.
const unknown = "Unknown"

// known is the meaning of an event's name.
type known struct {
	name, module, operation string
}

// installation reports whether the event is about the application's trust, and not about the CRM.
func (k known) installation() bool {
	return k.module == "App" && (k.operation == "install" || k.operation == "uninstall")
}

// table has the events of Bitrix24 by their name in lower case.
type table struct {
	all    []known
	byName map[string]known
}

func openTable() (table, error) {
	t := table{byName: map[string]known{}}
	for i, line := range strings.Split(strings.TrimSpace(eventsTSV), "\n") {
		columns := strings.Split(line, "\t")
		if i == 0 {
			continue
		}
		if len(columns) != 3 {
			return table{}, fmt.Errorf("events.tsv: line %d has %d columns", i+1, len(columns))
		}
		operation, err := ingest.Operation(columns[2])
		if err == nil {
			err = ingest.CheckModule(columns[1])
		}
		if err != nil {
			return table{}, fmt.Errorf("events.tsv: line %d: %w", i+1, err)
		}
		event := known{columns[0], columns[1], operation}
		t.all = append(t.all, event)
		t.byName[strings.ToLower(event.name)] = event
	}
	return t, nil
}

var (
	suffixed = regexp.MustCompile(`^(oncrm.+)_([0-9]{1,20})$`)
	unheard  = regexp.MustCompile(`^oncrm([a-z0-9]+)(add|update|delete)$`)
)

// resolve returns the meaning of an event's name, in any letter case, and the entity type in its suffix; empty where there is none. An
// unknown name becomes the operation of the module Unknown, if it can be one.
func (t table) resolve(name string) (event known, entityType string, err error) {
	lower := strings.ToLower(name)
	base := lower
	if strings.Contains(lower, "_") {
		if parts := suffixed.FindStringSubmatch(lower); parts != nil {
			base, entityType = parts[1], parts[2]
		}
	}
	if event, ok := t.byName[base]; ok {
		return event, entityType, nil
	}
	if parts := unheard.FindStringSubmatch(base); parts != nil {
		event = known{name: name, module: strings.ToUpper(parts[1][:1]) + parts[1][1:]}
		if event.operation, err = ingest.Operation(parts[2]); err == nil {
			err = ingest.CheckModule(event.module)
		}
		return event, entityType, err
	}
	word := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, lower)
	if _, err := ingest.Operation(word); err != nil {
		return known{}, "", fmt.Errorf("%w: event must hold a letter and up to 63 more letters and digits", ingest.ErrMalformed)
	}
	return known{name: name, module: unknown, operation: word}, "", nil
}

var eventWords = map[string]string{"create": "ADD", "edit": "UPDATE", "delete": "DELETE"}

// nameOf returns the name of the event that resolves to module and operation.
func (t table) nameOf(module, operation string) (string, error) {
	for _, event := range t.all {
		if strings.EqualFold(event.module, module) && strings.EqualFold(event.operation, operation) {
			return event.name, nil
		}
	}
	name := "ONCRM" + strings.ToUpper(module) + eventWords[operation]
	event, _, err := t.resolve(name)
	if err != nil || !strings.EqualFold(event.module, module) || event.operation != operation {
		return "", fmt.Errorf("Bitrix24 has no known event for the operation %q of the module %q", operation, module)
	}
	return name, nil
}
