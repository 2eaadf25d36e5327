package config

import (
	"cmp"
	"runtime/debug"
	"strings"
)

// Stamped by the linker: -ldflags "-X github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config.release=… -X ….commit=…".
var release, commit string

var (
	// Release is the version of this program: stamped, or the one that go install …@version was asked for.
	Release = cmp.Or(release, moduleVersion(buildInfo()), "0.2.0-dev")

	// Commit is what this program was built from: stamped, or recorded by go build in a clone, or "unknown".
	Commit = cmp.Or(commit, revision(buildInfo()), "unknown")
)

func buildInfo() *debug.BuildInfo {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info
	}
	return &debug.BuildInfo{}
}

// moduleVersion is empty for a build that no tag precedes.
func moduleVersion(info *debug.BuildInfo) string {
	version, ok := strings.CutPrefix(info.Main.Version, "v")
	if !ok || strings.HasPrefix(version, "0.0.0-") {
		return ""
	}
	return version
}

func revision(info *debug.BuildInfo) string {
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return ""
}
