package main

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// fact is something about where a run was made.
type fact struct{ name, value string }

// machine describes where the data is, and what the programs are made of.
func machine(ctx context.Context, p plan) []fact {
	return []fact{
		{"processor", fmt.Sprintf("%s, %d cores, shared by the server and the load", processor(), runtime.NumCPU())},
		{"system", runtime.GOOS + "/" + runtime.GOARCH + kernel()},
		{"file system of the data", fileSystem(p.dir)},
		{"Go", runtime.Version()},
		{"nats-server", server.VERSION},
		{"crm-bridge", revision(ctx)},
	}
}

// revision is the commit that the bridge was built from, where Git knows it.
func revision(ctx context.Context) string {
	commit, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "not known"
	}
	name := "commit " + strings.TrimSpace(string(commit))
	if exec.CommandContext(ctx, "git", "diff", "--quiet", "HEAD", "--", "*.go", "go.mod").Run() != nil {
		name += ", and changes to it"
	}
	return name
}
