package config

import (
	"runtime/debug"
	"testing"
)

// What go install was asked for is a version; a clone without tags, go run and a test have none.
func TestModuleVersion(t *testing.T) {
	for recorded, want := range map[string]string{
		"v0.2.0":                                   "0.2.0",
		"v0.2.1-0.20261130101500-abcdef012345":     "0.2.1-0.20261130101500-abcdef012345",
		"v0.0.0-20261130101500-abcdef012345+dirty": "",
		"(devel)": "",
		"":        "",
	} {
		if got := moduleVersion(&debug.BuildInfo{Main: debug.Module{Version: recorded}}); got != want {
			t.Errorf("%q: version %q, not %q", recorded, got, want)
		}
	}
}

// The commit of a clone is known, that of an installed module is not.
func TestRevision(t *testing.T) {
	if got := revision(&debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "abc"}}}); got != "abc" {
		t.Errorf("commit %q", got)
	}
	if got := revision(&debug.BuildInfo{}); got != "" {
		t.Errorf("commit %q", got)
	}
}
