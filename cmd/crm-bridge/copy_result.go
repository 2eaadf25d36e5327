package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish/transfer"
)

// copyOutput prints what a copy has done: for a person, or as JSON lines.
type copyOutput struct {
	out    io.Writer
	asJSON bool
}

// parts prints how far each stream is; compared: both sides were read.
func (o copyOutput) parts(parts []transfer.Part, compared bool) error {
	if o.asJSON {
		return terminal.WriteJSONLines(o.out, parts)
	}
	if len(parts) == 0 {
		terminal.Say(o.out, "the source has none of the streams\n")
		return nil
	}
	table := tabwriter.NewWriter(o.out, 0, 8, 2, ' ', 0)
	terminal.Say(table, "STREAM\tMESSAGES\tSEQUENCES\tCOPIED\tLEFT\tEQUAL\tREMOVED\tEXPIRED\tDIGEST\n")
	for _, one := range parts {
		equal, digest := "-", "-"
		if compared && one.Digest != "" {
			equal, digest = fmt.Sprint(one.Equal), one.Digest[:12]
		}
		terminal.Say(table, "%s\t%d\t%d-%d\t%d\t%d\t%s\t%d\t%d\t%s\n", one.Stream, one.Messages, one.First, one.Last, one.Copied, one.Left, equal, one.Removed, one.Expired, digest)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, one := range parts {
		if one.Outside > 0 {
			terminal.Say(o.out, "%s: %d messages are on subjects that the target's stream does not have, of an earlier BRIDGE_SUBJECT_PREFIX: they are not copied\n", one.Stream, one.Outside)
		}
		if one.Own {
			terminal.Say(o.out, "%s: not copied: the target keeps states of its own, which older ones must not follow\n", one.Stream)
		}
		if one.Extra > 0 {
			terminal.Say(o.out, "%s: %d messages are on the target that have left the source\n", one.Stream, one.Extra)
		}
		if one.Gone > 0 {
			terminal.Say(o.out, "%s: %d messages have left the target since\n", one.Stream, one.Gone)
		}
		if one.Ahead {
			terminal.Say(o.out, "%s: the copy was complete before, and the target goes on by itself since\n", one.Stream)
		}
	}
	return nil
}

// result prints what a run has done.
func (o copyOutput) result(result transfer.Result, compared bool) error {
	if err := o.parts(result.Parts, compared); err != nil {
		return err
	}
	if o.asJSON {
		if result.State != nil {
			if err := terminal.JSONEncoder(o.out).Encode(result.State); err != nil {
				return err
			}
		}
		return terminal.WriteJSONLines(o.out, result.Readers)
	}
	if state := result.State; state != nil {
		terminal.Say(o.out, "%s: %d values are the same", state.Bucket, state.Equal)
		if state.Own > 0 {
			terminal.Say(o.out, ", %d the target has changed itself", state.Own)
		}
		terminal.Say(o.out, "\n")
		if state.Secrets > 0 {
			terminal.Say(o.out, "%d secrets are not copied: set BRIDGE_STATE_KEY, here and for the bridge, and run the same command again. Without it access tokens are requested again, and applications whose tokens came with their installation have to be installed again\n", state.Secrets)
		}
		if state.Lost > 0 {
			terminal.Say(o.out, "%d secrets were encrypted with another BRIDGE_STATE_KEY and are not copied\n", state.Lost)
		}
	}
	return o.readers(result.Readers)
}

// readers prints where consumers go on.
func (o copyOutput) readers(all []transfer.Reader) error {
	if len(all) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(o.out, 0, 8, 2, ' ', 0)
	terminal.Say(table, "\nCONSUMER\tSTREAM\tSUBJECTS\tACKNOWLEDGED UP TO\tSTORED AT\tSTART SEQUENCE THERE\n")
	for _, one := range all {
		at, subjects := "-", strings.Join(one.Subjects, ",")
		if one.At != nil {
			at = one.At.Local().Format(time.DateTime)
		}
		if subjects == "" {
			subjects = "all"
		}
		terminal.Say(table, "%s\t%s\t%s\t%d\t%s\t%d\n", terminal.Visible(one.Consumer), one.Stream, terminal.Visible(subjects), one.AckFloor, at, one.Start)
	}
	return table.Flush()
}

// next prints what to do now.
func (o copyOutput) next(steps []string, done bool) error {
	if o.asJSON {
		return terminal.JSONEncoder(o.out).Encode(struct {
			Complete bool     `json:"complete"`
			Next     []string `json:"next"`
		}{done, steps})
	}
	terminal.Say(o.out, "\n")
	for _, step := range steps {
		terminal.Say(o.out, "%s\n", step)
	}
	return nil
}

// nextStep says what to do after a run.
func (c *copying) nextStep(result transfer.Result) []string {
	if !result.Done {
		return []string{"not complete: " + c.running + ", and run the same command again, which copies only the rest"}
	}
	start := "start the bridge without BRIDGE_NATS_URL, with BRIDGE_DATA_DIR=" + c.to.DataDir
	if !c.to.Embedded() {
		start = "start the bridge with BRIDGE_NATS_URL=" + c.to.name
	}
	steps := []string{"complete: " + start}
	if !c.from.Embedded() {
		steps[0] += "; a bridge with BRIDGE_DELIVERY=direct on the source must have been stopped before this run"
	}
	if c.from.Embedded() && !c.to.Embedded() {
		steps = append(steps, c.madeSecrets()...)
	}
	return steps
}

// madeSecrets says which secrets the source's bridge has made in its folder: beside another NATS a bridge uses none of them.
func (c *copying) madeSecrets() []string {
	var made []string
	look := func(variable, file string) {
		if c.isDefault(variable) && holdsSecret(c.from.DataDir, file) {
			made = append(made, fmt.Sprintf("%s (%s)", variable, filepath.Join(c.from.DataDir, file)))
		}
	}
	for _, crm := range c.crms {
		for _, source := range crm.Sources {
			if variable, file, ok := crm.Proof(source); ok && file != "" {
				look(variable, file)
			}
		}
	}
	look("BRIDGE_STATE_KEY", datadir.StateSecret)
	if len(made) == 0 {
		return nil
	}
	return []string{"set the secrets that the bridge had made itself, as far as your CRMs use them: " + bridge.Enumerate(slices.Compact(made), "and")}
}

// isDefault reports whether a variable is not set.
func (c *copying) isDefault(variable string) bool {
	for _, one := range c.env.Variables {
		if one.Name == variable {
			return one.From == "default"
		}
	}
	return true
}

func holdsSecret(folder, name string) bool {
	secret, err := datadir.ReadSecret(folder, name)
	return err == nil && secret != ""
}
