package hubspot

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Wanted are the objects to read from the journal.
type Wanted []WantedObject

// WantedObject is an object with the properties whose changes the journal holds.
type WantedObject struct {
	Module     string
	Properties []string
}

var propertyName = regexp.MustCompile(`^[a-z0-9_]{1,100}$`)

// Decode reads objects from an environment variable.
func (w *Wanted) Decode(value string) error {
	var all Wanted
	for i, entry := range strings.Split(value, ",") {
		module, list, _ := strings.Cut(strings.TrimSpace(entry), ":")
		of, _ := objectOf(module)
		if !listable(of.module) {
			return fmt.Errorf("entry %d names no object: write contact, deal:amount+dealstage, or the objectTypeId of a custom object such as 2-3508482", i+1)
		}
		one := WantedObject{Module: of.module}
		for name := range strings.SplitSeq(list, "+") {
			if name == "" {
				continue
			}
			if !propertyName.MatchString(name) {
				return fmt.Errorf("entry %d names a property that is not a name such as dealstage", i+1)
			}
			one.Properties = append(one.Properties, name)
		}
		slices.Sort(one.Properties)
		if slices.ContainsFunc(all, func(other WantedObject) bool { return other.Module == one.Module }) {
			return fmt.Errorf("entry %d names the same object as another", i+1)
		}
		all = append(all, one)
	}
	*w = all
	return nil
}

// journalActions are the operations that a subscription of the journal reports, in HubSpot's words and in ours.
var journalActions = [...]struct{ native, operation string }{
	{"CREATE", "create"}, {"UPDATE", "edit"}, {"DELETE", "delete"}, {"MERGE", "merge"}, {"RESTORE", "restore"},
}

// Subjects returns the modules and operations of the objects, as in their subjects: deal.edit.
func (w Wanted) Subjects() []string {
	var all []string
	for _, one := range w {
		for _, action := range journalActions {
			all = append(all, one.Module+"."+action.operation)
		}
	}
	slices.Sort(all)
	return all
}
