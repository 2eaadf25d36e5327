package publish

import (
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// settingChange is a setting of a stream that differs from the configured one.
type settingChange struct {
	setting, from, to string
	variable          string // that sets it; empty: none
	drops             bool   // the stream keeps less, so stored messages may be dropped
	moves             bool   // the stream gets other subjects
}

// changes lists the differences between a stream of the bridge and the configured one.
func (c StreamConfig) changes(have, wanted jetstream.StreamConfig) []settingChange {
	var list []settingChange
	differs := func(differs bool, one settingChange) {
		if differs {
			list = append(list, one)
		}
	}
	was, will := slices.Sorted(slices.Values(have.Subjects)), slices.Sorted(slices.Values(wanted.Subjects))
	differs(!slices.Equal(was, will), settingChange{setting: "subjects", from: strings.Join(was, ","), to: strings.Join(will, ","), variable: "BRIDGE_SUBJECT_PREFIX", moves: true})
	differs(have.MaxAge != wanted.MaxAge, settingChange{
		setting: "max_age", from: age(have.MaxAge), to: age(wanted.MaxAge), variable: c.AgeVariable, drops: smaller(int64(have.MaxAge), int64(wanted.MaxAge)),
	})
	differs(have.MaxBytes != wanted.MaxBytes, settingChange{
		setting: "max_bytes", from: byteText(have.MaxBytes), to: byteText(wanted.MaxBytes), variable: c.BytesVariable, drops: smaller(have.MaxBytes, wanted.MaxBytes),
	})
	differs(max(have.MaxMsgsPerSubject, 0) != max(wanted.MaxMsgsPerSubject, 0), settingChange{
		setting: "max_msgs_per_subject", from: count(have.MaxMsgsPerSubject), to: count(wanted.MaxMsgsPerSubject), variable: c.PerSubjectVariable,
		drops: smaller(have.MaxMsgsPerSubject, wanted.MaxMsgsPerSubject),
	})
	differs(have.Replicas != wanted.Replicas, settingChange{setting: "replicas", from: strconv.Itoa(have.Replicas), to: strconv.Itoa(wanted.Replicas)})
	differs(have.Duplicates != wanted.Duplicates, settingChange{setting: "duplicate_window", from: short(have.Duplicates), to: short(wanted.Duplicates)})
	differs(have.Discard != wanted.Discard, settingChange{setting: "discard", from: have.Discard.String(), to: wanted.Discard.String()})
	differs(have.AllowDirect != wanted.AllowDirect, settingChange{setting: "allow_direct", from: strconv.FormatBool(have.AllowDirect), to: strconv.FormatBool(wanted.AllowDirect)})
	differs(have.Description != wanted.Description, settingChange{setting: "description", from: have.Description, to: wanted.Description})
	return list
}

func count(n int64) string {
	if n <= 0 {
		return "unlimited"
	}
	return strconv.FormatInt(n, 10)
}

// smaller reports whether a limit is reduced; at most 0 is no limit.
func smaller(from, to int64) bool { return to > 0 && (from <= 0 || to < from) }

// refuse returns an error that names every change that needs Apply.
func (c StreamConfig) refuse(changes []settingChange) error {
	if c.Apply {
		return nil
	}
	var drop, variables []string
	for _, one := range changes {
		if one.moves {
			return misfit("stream %s has the subjects %s, but %s asks for %s: another bridge may use this stream. Set %s as before, or name another stream in BRIDGE_STREAM; to move the stream to the new subjects, start once with BRIDGE_STREAM_APPLY=true",
				c.Name, one.from, one.variable, one.to, one.variable)
		}
		if one.drops {
			drop = append(drop, one.setting+" from "+one.from+" to "+one.to)
			if one.variable != "" {
				variables = append(variables, one.variable)
			}
		}
	}
	if len(drop) == 0 {
		return nil
	}
	old := ""
	if len(variables) > 0 {
		old = "Set " + strings.Join(variables, " and ") + " as before, or "
	}
	means := "messages beyond the new limit are then deleted"
	if c.DiscardNew {
		means = "it is then full sooner, and rejects new messages"
	}
	return misfit("stream %s would keep less: %s. %sstart once with BRIDGE_STREAM_APPLY=true to apply it: %s", c.Name, strings.Join(drop, ", "), old, means)
}

// report calls Changed for each change that was made.
func (c StreamConfig) report(changes []settingChange) {
	for _, one := range changes {
		if c.Changed != nil {
			c.Changed(one.setting, one.from, one.to)
		}
	}
}
