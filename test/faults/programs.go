//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

const brokerModule = "github.com/nats-io/nats-server/v2"

// root is the repository, relative to this folder.
const root = "../.."

// build builds the bridge of this repository and a broker of the version that the bridge embeds.
func build(ctx context.Context, folder string) (bridge, broker string, err error) {
	ours, err := goTool(ctx, root, "list", "-m", "-f", "{{.Path}} {{.Version}}", brokerModule)
	if err != nil {
		return "", "", err
	}
	theirs, err := goTool(ctx, ".", "list", "-m", "-f", "{{.Path}} {{.Version}}", brokerModule)
	if err != nil {
		return "", "", err
	}
	if ours != theirs {
		return "", "", fmt.Errorf("the bridge embeds %s, but this program tests %s: require one version in both go.mod", ours, theirs)
	}
	bridge, broker = filepath.Join(folder, "crm-bridge"), filepath.Join(folder, "nats-server")
	_, err = goTool(ctx, root, "build", "-o", bridge, "./cmd/crm-bridge")
	_, other := goTool(ctx, ".", "build", "-o", broker, brokerModule)
	return bridge, broker, errors.Join(err, other)
}

// goTool runs the go command in a folder, and returns what it prints.
func goTool(ctx context.Context, in string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = in
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s in %s: %w: %s", strings.Join(args, " "), in, err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
