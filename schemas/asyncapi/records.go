package asyncapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/schemas"
)

// records is the name of the channel of records' states.
const records = "records"

// kept returns the modules whose records are kept, each once, sorted, and their CRMs.
func (b Facts) kept(all []family) (modules, providers []string) {
	for _, name := range b.Records {
		provider, module, _ := strings.Cut(name, ".")
		if slices.ContainsFunc(all, func(f family) bool { return f.provider == provider && f.module.MatchString(module) }) {
			modules, providers = append(modules, name), append(providers, provider)
		}
	}
	slices.Sort(modules)
	slices.Sort(providers)
	return slices.Compact(modules), slices.Compact(providers)
}

// addRecords adds the channel of records' states, and its message, if any records are kept.
func (d *Document) addRecords(b Facts, set schemas.Set, all []family) error {
	kept, providers := b.kept(all)
	if len(kept) == 0 {
		return nil
	}
	envelope, err := recordEnvelope()
	if err != nil {
		return err
	}
	f, err := readFamily(set, schemas.RecordFamily)
	if err != nil {
		return err
	}
	if !b.Binary {
		d.Components.Schemas[envelope.name] = envelope.schema
	}
	d.Components.Schemas[f.name] = f.schema
	m, err := envelope.message(f, b.Binary)
	if err != nil {
		return fmt.Errorf("example of %s: %w", f.name, err)
	}
	m.Tags = tags(providers)
	d.Components.Messages[f.name] = m
	stream := b.Stream + "_RECORDS"
	d.Info.Description += fmt.Sprintf("\nThe stream `%s` holds the current records of %s. A consumer that starts with the last message of each subject gets the table, then every change.\n", stream, strings.Join(kept, ", "))
	d.addChannel(records, channel{
		Address: b.Prefix + "-records.{provider}.{account}.{module}.{id}", Title: "Records as they are", Parameters: recordParameters(kept, providers),
		Description: fmt.Sprintf("The last message of a subject is the record as it is. A consumer that starts with the last message of each subject gets the table, then every change. "+
			"A deleted record stays, with `after` null. Subscribe to `%s-records.>` for all records, or put `*` instead of one name.", b.Prefix),
		Tags: m.Tags, JetStream: jetStream{stream},
	}, []string{f.name})
	return nil
}

func recordParameters(kept, providers []string) map[string]parameter {
	var modules []string
	for _, name := range kept {
		_, module, _ := strings.Cut(name, ".")
		modules = append(modules, module)
	}
	slices.Sort(modules)
	const written = " Bytes other than A-Z a-z 0-9 _ - are written =XX, in hex."
	return map[string]parameter{
		"provider": {"The CRM.", providers},
		"account":  {"Whose data it is, as in crmaccount." + written, nil},
		"module":   {"The kind of record, as the CRM's API writes it.", slices.Compact(modules)},
		"id":       {"The record's id." + written, nil},
	}
}

func tags(names []string) (all []tag) {
	for _, name := range names {
		all = append(all, tag{Name: name})
	}
	return all
}
