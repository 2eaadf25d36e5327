package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// pod is what this program reads of a pod.
type pod struct {
	Metadata struct {
		Name, UID         string
		DeletionTimestamp *string
	}
	Spec   struct{ NodeName string }
	Status struct {
		Phase             string
		Conditions        []struct{ Type, Status string }
		ContainerStatuses []struct {
			RestartCount int
			State        struct {
				Waiting struct{ Reason, Message string }
			}
		}
	}
}

// ready reports whether requests are sent to the pod.
func (p pod) ready() bool {
	return p.Metadata.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c struct{ Type, Status string }) bool {
		return c.Type == "Ready" && c.Status == "True"
	})
}

// String describes the pod, for an error.
func (p pod) String() string {
	text := p.Metadata.Name + " " + p.Status.Phase
	for _, c := range p.Status.ContainerStatuses {
		text += fmt.Sprintf(", %d restarts %s %s", c.RestartCount, c.State.Waiting.Reason, c.State.Waiting.Message)
	}
	return strings.TrimSpace(text)
}

// pods returns the pods with a label, by name.
func (s *site) pods(ctx context.Context, selector string) ([]pod, error) {
	text, err := s.kubectl(ctx, "", "get", "pods", "--selector", selector, "--sort-by", ".metadata.name", "--output", "json")
	if err != nil {
		return nil, err
	}
	var list struct{ Items []pod }
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("read the pods %s: %w", selector, err)
	}
	return list.Items, nil
}

// settled returns when there are just so many pods with a label, and all of them are ready and none is among old. It asks for the pods
// themselves: a controller that has not noticed yet that a pod is gone would still report it as ready.
func (s *site) settled(ctx context.Context, selector string, replicas int, old []pod) error {
	what := fmt.Sprintf("%d new pods %s are ready", replicas, selector)
	return until(ctx, s.within, what, func(ctx context.Context) (bool, error) {
		now, err := s.pods(ctx, selector)
		if err != nil {
			return false, err
		}
		for _, p := range now {
			isOld := slices.ContainsFunc(old, func(o pod) bool { return o.Metadata.UID == p.Metadata.UID })
			if isOld || !p.ready() {
				return false, fmt.Errorf("pod %s, ready: %t", p, p.ready())
			}
		}
		return len(now) == replicas, nil
	})
}

// kill removes pods from the API server at once; their containers get a moment to end, if their node answers.
func (s *site) kill(ctx context.Context, pods ...pod) error {
	args := []string{"delete", "pod", "--force", "--grace-period=0", "--wait=false"}
	for _, p := range pods {
		args = append(args, p.Metadata.Name)
	}
	_, err := s.kubectl(ctx, "", args...)
	return err
}

// evict asks for the eviction of a pod, as a drained node does, until its disruption budget allows it.
func (s *site) evict(ctx context.Context, p pod) error {
	eviction, err := json.Marshal(map[string]any{
		"apiVersion": "policy/v1", "kind": "Eviction",
		"metadata": map[string]string{"name": p.Metadata.Name, "namespace": s.namespace},
	})
	if err != nil {
		return err
	}
	path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/eviction", s.namespace, p.Metadata.Name)
	return until(ctx, s.within, "the eviction of "+p.Metadata.Name+" is allowed", func(ctx context.Context) (bool, error) {
		_, err := s.kubectl(ctx, string(eviction), "create", "--raw", path, "--filename", "-")
		return err == nil, err
	})
}
