package ingest

import (
	"fmt"
	"strings"
)

// Field names a field of a module of a CRM; "*" stands for any provider, module or field.
type Field struct{ Provider, Module, Name string }

// Fields are fields, read from "acme.Contacts.Phone,*.*.Email".
type Fields []Field

// Decode reads fields from an environment variable.
func (f *Fields) Decode(value string) error {
	var all Fields
	for one := range strings.SplitSeq(value, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		parts := strings.SplitN(one, ".", 3) // the name of a field may have dots
		if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
			return fmt.Errorf("%q must be of the form provider.Module.Field, such as *.Contacts.Phone, with * for any", one)
		}
		all = append(all, Field{Provider: parts[0], Module: parts[1], Name: parts[2]})
	}
	*f = all
	return nil
}
