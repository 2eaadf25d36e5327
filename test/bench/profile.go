package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// build builds the bridge, and with profiles also one that profiles itself: the shipped one has no way to.
func (p *plan) build(ctx context.Context, profiles bool) error {
	p.program = filepath.Join(p.dir, "crm-bridge")
	if err := goBuild(ctx, "-o", p.program, "./cmd/crm-bridge"); err != nil || !profiles {
		return err
	}
	p.profiled = filepath.Join(p.dir, "crm-bridge-profiled")
	added, err := filepath.Abs("cmd/crm-bridge/profile_of_test_bench.go")
	if err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {added: filepath.FromSlash("test/bench/testdata/profile.go")}})
	if err != nil {
		return err
	}
	file := filepath.Join(p.dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return err
	}
	return goBuild(ctx, "-overlay", file, "-o", p.profiled, "./cmd/crm-bridge")
}

func goBuild(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, "go", append([]string{"build"}, args...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	return nil
}

// profileTime is how long commit is profiled under one workload.
const profileTime = 8 * time.Second

// profile profiles commit with many connections.
func (p plan) profile(ctx context.Context, connections int) (profile, error) {
	s := subjects[0]
	s.file, p.load = p.profiled, profileTime
	w := workload{connections: connections, ids: 1}
	file := filepath.Join(p.dir, fmt.Sprintf("profile-%d", connections))
	m, err := p.one(ctx, s, w, file)
	if err != nil {
		return profile{}, err
	}
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-traces", file).Output()
	if err != nil {
		return profile{}, fmt.Errorf("pprof: %w", err)
	}
	shares, allocations, err := sharesOf(string(out))
	return profile{workload: w, cpu: m.cpu, shares: shares, allocations: allocations}, err
}
