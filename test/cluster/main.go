// Command cluster installs the Helm chart on a Kubernetes cluster, breaks it under load, and compares every 200 with the stream.
//
// It works on any cluster that a kubeconfig reaches, and needs kubectl and helm. Each way to run the bridge gets a namespace of its own,
// which is deleted afterwards; nothing outside of it is changed, except that -drain cordons a node for a moment. Run it in its own folder:
//
//	go run . -context kind-kind -image crm-bridge:0.1.0
//
// It exits with 1 if an event that was answered with 200 is not in the stream, or if a fault does not end as it should.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// settings are the program's flags.
type settings struct {
	kubeconfig, context string
	chart               string
	image, next         string // of the bridge, and what it is upgraded to
	nats                string // image
	storageClass        string
	ways                []way
	only                string
	rate, connections   int
	load                time.Duration // after each fault
	within              time.Duration // for anything that is waited for
	drain, keep         bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	s, err := parse(os.Args[1:])
	if err == nil {
		err = s.check(ctx)
	}
	if err == nil {
		err = s.playAll(ctx)
	}
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// parse reads the flags.
func parse(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.StringVar(&s.context, "context", "", "context of the kubeconfig; has to be given, so that no cluster is used by accident")
	flags.StringVar(&s.kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig file; empty: that of kubectl")
	flags.StringVar(&s.chart, "chart", "../../charts/crm-bridge", "folder of the chart")
	flags.StringVar(&s.image, "image", "", "image of the bridge, as repository:tag, which the nodes have or can pull")
	flags.StringVar(&s.next, "next-image", "", "image that the bridge is upgraded to; empty: no image is upgraded")
	flags.StringVar(&s.nats, "nats-image", "nats:2", "image of the NATS server")
	flags.StringVar(&s.storageClass, "storage-class", "", "class of the claims; empty: the cluster's default")
	given := flags.String("scenario", "embedded,journal,direct", "ways to run the bridge, separated by commas")
	flags.StringVar(&s.only, "only", "", "play only the faults whose name contains this")
	flags.IntVar(&s.rate, "rate", 50, "callbacks a second")
	flags.IntVar(&s.connections, "connections", 8, "callbacks at once")
	flags.DurationVar(&s.load, "load", 5*time.Second, "load after each fault")
	flags.DurationVar(&s.within, "within", 5*time.Minute, "longest wait for anything: an upgrade, pods, answers")
	flags.BoolVar(&s.drain, "drain", false, "also drain a node: it is cordoned for a moment, for all namespaces, but only pods of this run are evicted")
	flags.BoolVar(&s.keep, "keep", false, "keep the namespaces, to look into them")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	for name := range strings.SplitSeq(*given, ",") {
		w := way(strings.TrimSpace(name))
		if !slices.Contains(allWays, w) {
			return s, fmt.Errorf("-scenario: there is no way %q; the ways are %v", w, allWays)
		}
		s.ways = append(s.ways, w)
	}
	switch {
	case s.context == "":
		return s, errors.New("-context must name a context of the kubeconfig; kubectl config get-contexts lists them")
	case s.image == "":
		return s, errors.New("-image must name the image of the bridge; make image builds it")
	case s.rate < 1 || s.connections < 1 || s.connections > s.rate:
		return s, errors.New("-rate and -connections must be at least 1, and -connections not more than -rate")
	}
	return s, nil
}

// check fails if a needed program is missing, or if no cluster answers.
func (s settings) check(ctx context.Context) error {
	for _, name := range []string{"kubectl", "helm"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%s is needed, and is not on this machine: %w", name, err)
		}
	}
	text, err := (&site{settings: s}).kubectl(ctx, "", "version", "--output", "json")
	if err != nil {
		return fmt.Errorf("the cluster of context %s does not answer: %w", s.context, err)
	}
	var version struct{ ClientVersion, ServerVersion struct{ GitVersion string } }
	if err := json.Unmarshal([]byte(text), &version); err != nil {
		return fmt.Errorf("read the version of the cluster: %w", err)
	}
	helm, err := run(ctx, "", "helm", "version", "--short")
	s.say("Kubernetes %s, kubectl %s, helm %s", version.ServerVersion.GitVersion, version.ClientVersion.GitVersion, strings.TrimSpace(helm))
	return err
}

// playAll plays the ways one after the other, and prints their table.
func (s settings) playAll(ctx context.Context) error {
	var rows []row
	var failed []error
	for _, w := range s.ways {
		if ctx.Err() != nil {
			failed = append(failed, fmt.Errorf("%s: interrupted before it began", w))
			break
		}
		played, err := s.play(ctx, w)
		if rows = append(rows, played...); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", w, err))
		}
	}
	if err := write(os.Stdout, rows); err != nil {
		return err
	}
	for _, r := range rows {
		failed = append(failed, r.violations()...)
	}
	return errors.Join(failed...)
}

// say prints what is being done.
func (s settings) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+"  "+format+"\n", args...)
}
