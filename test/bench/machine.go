package main

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// fact describes the machine of a run.
type fact struct{ name, value string }

// machine describes the machine, and the versions of the programs.
func machine(ctx context.Context, dir string) []fact {
	return []fact{
		{"processor", fmt.Sprintf("%s, %d cores, shared by the server and the load", processor(), runtime.NumCPU())},
		{"system", runtime.GOOS + "/" + runtime.GOARCH + kernel()},
		{"file system of the data", fileSystem(dir)},
		{"Go", runtime.Version()},
		{"nats-server", server.VERSION},
		{"crm-bridge", revision(ctx)},
	}
}

// revision returns the commit that the bridge was built from, if Git knows it.
func revision(ctx context.Context) string {
	commit, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := "commit " + strings.TrimSpace(string(commit))
	if exec.CommandContext(ctx, "git", "diff", "--quiet", "HEAD", "--", "*.go", "go.mod").Run() != nil {
		name += ", modified"
	}
	return name
}
