package publish_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// own is a bridge's configuration of a stream, with the names of its variables.
func own() publish.StreamConfig {
	config := publishtest.Stream("CRM", "crm.>")
	config.MaxAge, config.MaxBytes = 48*time.Hour, 2<<30
	config.AgeVariable, config.BytesVariable = "BRIDGE_STREAM_MAX_AGE", "BRIDGE_STREAM_MAX_BYTES"
	return config
}

// What would drop events or move the stream is rejected with the old and the new value and their variable; nothing is changed.
// With Apply it is done, and each change is reported.
func TestShrinkingTakesApply(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func(*publish.StreamConfig)
		says    []string // of the refusal; none: it is not refused
		changed []string
	}{
		{"less age", func(c *publish.StreamConfig) { c.MaxAge = 24 * time.Hour }, []string{"stream CRM", "max_age from 48h to 24h", "BRIDGE_STREAM_MAX_AGE"}, []string{"max_age 48h 24h"}},
		{"less bytes", func(c *publish.StreamConfig) { c.MaxBytes = 1536 << 20 }, []string{"max_bytes from 2GiB to 1536MiB", "BRIDGE_STREAM_MAX_BYTES"}, []string{"max_bytes 2GiB 1536MiB"}},
		{"both", func(c *publish.StreamConfig) { c.MaxAge, c.MaxBytes = time.Hour, 1000000 }, []string{"max_age from 48h to 1h, max_bytes from 2GiB to 1000000B", "BRIDGE_STREAM_MAX_AGE and BRIDGE_STREAM_MAX_BYTES"}, []string{"max_age 48h 1h", "max_bytes 2GiB 1000000B"}},
		{"less age, more bytes", func(c *publish.StreamConfig) { c.MaxAge, c.MaxBytes = time.Hour, 3<<30 }, []string{"max_age from 48h to 1h"}, []string{"max_age 48h 1h", "max_bytes 2GiB 3GiB"}},
		{"another prefix", func(c *publish.StreamConfig) { c.Subjects = []string{"sales.>"} }, []string{"stream CRM has the subjects crm.>", "BRIDGE_SUBJECT_PREFIX asks for sales.>", "BRIDGE_STREAM"}, []string{"subjects crm.> sales.>"}},
		{"fewer subjects", func(c *publish.StreamConfig) { c.Subjects = []string{"crm.acme.>"} }, []string{"asks for crm.acme.>"}, []string{"subjects crm.> crm.acme.>"}},
		{"no limit", func(c *publish.StreamConfig) { c.MaxAge = 0 }, nil, []string{"max_age 48h unlimited"}},
		{"more of both", func(c *publish.StreamConfig) { c.MaxAge, c.MaxBytes = 72*time.Hour, 3<<30 }, nil, []string{"max_age 48h 72h", "max_bytes 2GiB 3GiB"}},
		{"another window and policy", func(c *publish.StreamConfig) { c.Duplicates, c.DiscardNew = 30*time.Second, true }, nil, []string{"duplicate_window 1m 30s", "discard DiscardOld DiscardNew"}},
		{"a default in place of a limit", func(c *publish.StreamConfig) { c.MaxBytes, c.DefaultMaxBytes = 0, func() int64 { return 1 << 20 } }, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, conn := publishtest.Serve(t, nil)
			if _, _, err := conn.EnsureStream(t.Context(), own()); err != nil {
				t.Fatal(err)
			}
			before, err := administrator(t, server).Stream(t.Context(), "CRM")
			if err != nil {
				t.Fatal(err)
			}
			config, changed := own(), []string(nil)
			test.change(&config)
			config.Changed = func(setting, from, to string) { changed = append(changed, setting+" "+from+" "+to) }
			_, _, err = conn.EnsureStream(t.Context(), config)
			if len(test.says) > 0 {
				misfit := publish.MisfitError("")
				if !errors.As(err, &misfit) || !strings.Contains(err.Error(), "BRIDGE_STREAM_APPLY=true") || changed != nil {
					t.Errorf("said %v, changed %q", err, changed)
				}
				for _, part := range test.says {
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Errorf("%v does not say %s", err, part)
					}
				}
				after, failed := administrator(t, server).Stream(t.Context(), "CRM")
				if failed != nil {
					t.Fatal(failed)
				}
				if diff := cmp.Diff(before.CachedInfo().Config, after.CachedInfo().Config); diff != "" {
					t.Errorf("a refused change was made: %s", diff)
				}
				config.Apply = true
				_, _, err = conn.EnsureStream(t.Context(), config)
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.changed, changed); diff != "" {
				t.Error(diff)
			}
			if _, _, err := conn.EnsureStream(t.Context(), config); err != nil || len(changed) != len(test.changed) {
				t.Errorf("the same again: %v, changed %q", err, changed)
			}
		})
	}
}
