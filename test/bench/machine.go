package main

import (
	"debug/buildinfo"
	"fmt"
	"runtime"

	"github.com/nats-io/nats-server/v2/server"
)

// fact is something about where a run was made.
type fact struct{ name, value string }

// machine describes where the data is, and what the programs are made of.
func machine(p plan) []fact {
	return []fact{
		{"processor", fmt.Sprintf("%s, %d cores, shared by the server and the load", processor(), runtime.NumCPU())},
		{"system", runtime.GOOS + "/" + runtime.GOARCH + kernel()},
		{"file system of the data", fileSystem(p.dir)},
		{"Go", runtime.Version()},
		{"nats-server", server.VERSION},
		{"crm-bridge", revision(p.program)},
	}
}

// revision is the commit that a program was built from, where Go knows it.
func revision(program string) string {
	commit, changed := "not known", ""
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return commit
	}
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision" && len(setting.Value) >= 12:
			commit = setting.Value[:12]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			changed = ", and changes to it"
		}
	}
	return commit + changed
}
