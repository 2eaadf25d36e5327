package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// site is the namespace of one way. Every command of kubectl and helm names it.
type site struct {
	settings
	namespace string
	runID     string // value of the label of all that this run makes
	folder    string // for sockets
}

// runLabel marks the namespace and the pods of a run.
const runLabel = "crm-bridge.test/run"

// openSite makes a namespace. It fails if there is one of that name, so no namespace is used that this run has not made.
func openSite(ctx context.Context, s settings, w way) (*site, error) {
	runID := strings.ToLower(rand.Text()[:8])
	at := &site{settings: s, namespace: fmt.Sprintf("crm-bridge-%s-%s", w, runID), runID: runID}
	folder, err := os.MkdirTemp("", "crm-bridge-cluster-")
	if err != nil {
		return nil, err
	}
	at.folder = folder
	namespace, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": at.namespace, "labels": map[string]string{
			runLabel:                             runID,
			"pod-security.kubernetes.io/enforce": "restricted", // the chart promises to fit into it
		}},
	})
	if err == nil {
		_, err = at.kubectl(ctx, string(namespace), "create", "--filename", "-")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make namespace %s: %w", at.namespace, err), os.RemoveAll(folder))
	}
	s.say("namespace %s", at.namespace)
	return at, nil
}

// close deletes the namespace, if it is still the one that this run has made, and all that is in it.
func (s *site) close(ctx context.Context) error {
	removed := os.RemoveAll(s.folder)
	if s.keep {
		s.say("kept: kubectl --context %s delete namespace %s", s.context, s.namespace)
		return removed
	}
	// A selector instead of a name: it finds nothing if the namespace was replaced meanwhile.
	_, err := s.kubectl(ctx, "", "delete", "namespace", "--selector", runLabel+"="+s.runID, "--timeout", "3m")
	if err != nil {
		err = fmt.Errorf("delete namespace %s: %w", s.namespace, err)
	}
	return errors.Join(removed, err)
}

// kubectl runs kubectl in the namespace, and returns what it prints.
func (s *site) kubectl(ctx context.Context, input string, args ...string) (string, error) {
	return run(ctx, input, "kubectl", s.kubectlArgs(args)...)
}

func (s *site) kubectlArgs(args []string) []string {
	flags := []string{"--context", s.context}
	if s.kubeconfig != "" {
		flags = append(flags, "--kubeconfig", s.kubeconfig)
	}
	if s.namespace != "" {
		flags = append(flags, "--namespace", s.namespace)
	}
	return append(flags, args...)
}

// helm runs helm in the namespace, and returns what it prints.
func (s *site) helm(ctx context.Context, input string, args ...string) (string, error) {
	flags := []string{"--kube-context", s.context, "--namespace", s.namespace}
	if s.kubeconfig != "" {
		flags = append(flags, "--kubeconfig", s.kubeconfig)
	}
	return run(ctx, input, "helm", append(args, flags...)...)
}

// commandWithin bounds a command that waits by itself, such as helm upgrade.
const commandWithin = 15 * time.Minute

// run runs a program, and returns what it prints. An error has the end of what it printed as an error; values are given as input only, so
// that no secret is in an argument.
func run(ctx context.Context, input, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // G702: flags name the cluster and the chart
	cmd.WaitDelay = time.Second
	cmd.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, tail(errs.String(), 600))
	}
	return out.String(), nil
}

// tail returns the end of a text.
func tail(text string, most int) string {
	text = strings.TrimSpace(text)
	return text[max(0, len(text)-most):]
}

// until asks every half second, and returns when ok is true; it fails after a time with the last reason.
func until(ctx context.Context, within time.Duration, what string, ok func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var last error
	for {
		done, err := ok(ctx)
		if done && err == nil {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		if pause(ctx, 500*time.Millisecond) != nil {
			return errors.Join(fmt.Errorf("did not happen within %s: %s", within, what), last)
		}
	}
}

// pause waits, unless the context ends before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
