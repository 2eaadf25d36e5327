package zoho

import "github.com/crm-bridge/crm-bridge/ingest"

// sampleModule is the module of a change that names none.
const sampleModule = "Contacts"

// eventNames returns the events of a module as actions/watch accepts them.
func eventNames(w ingest.ModuleEvents) []string {
	if len(w.Operations) == len(ingest.AllOperations) {
		return []string{w.Module + ".all"}
	}
	names := make([]string, len(w.Operations))
	for i, operation := range w.Operations {
		names[i] = w.Module + "." + operation
	}
	return names
}
