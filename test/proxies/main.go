//go:build linux

// Command proxies runs the reverse proxies of examples/proxies in front of the built program: it sends callbacks of every CRM over HTTPS,
// each once, while the proxy reloads and the bridge is replaced by a newer build, and compares each answer with the stream.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
)

func main() {
	var s settings
	var names string
	flag.StringVar(&names, "proxies", "nginx,caddy", "which: nginx, caddy, traefik")
	flag.IntVar(&s.callbacks, "callbacks", 10_000, "how many are sent through each proxy")
	flag.IntVar(&s.connections, "connections", 24, "senders at once: a third over HTTP/2, a third over HTTP/1.1, a third with a new connection for each callback")
	flag.IntVar(&s.reloads, "reloads", 3, "how often the proxy reloads a changed configuration")
	flag.StringVar(&s.without, "without", "", "leave out what is recommended, to see what it is for: any of socket, delay, keepalive and, with nginx, close")
	flag.BoolVar(&s.kill, "kill", false, "replace the bridge with SIGKILL: callbacks in flight may have no answer, answered ones are stored")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, s, strings.Split(names, ","))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "proxies:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings, names []string) (err error) {
	if s.folder, err = os.MkdirTemp("", "crm-bridge-proxies-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.folder)) }()
	if err := os.Chmod(s.folder, 0o755); err != nil { //nolint:gosec // a proxy's own user reads its files
		return err
	}
	if s.old, err = build(ctx, s.folder, "0.0.1-old"); err != nil {
		return err
	}
	if s.new, err = build(ctx, s.folder, "0.0.2-new"); err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "proxy\twithout\tcallbacks\t200\tnot 200\tcut by a reload\tno answer\tmissing\ttwice\tnobody answered for")
	for _, name := range names {
		r, failed := play(ctx, s, name)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", name, failed))
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", cmp.Or(r.version, name), s.without, r.sent, r.answered, r.refused, r.cut, r.unanswered, r.missing, r.twice, r.gap)
	}
	return errors.Join(err, table.Flush())
}

// build builds the program as a version.
func build(ctx context.Context, folder, version string) (program string, err error) {
	program = filepath.Join(folder, version)
	stamp := "-X github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config.release=" + version
	out, err := exec.CommandContext(ctx, "go", "build", "-ldflags", stamp, "-o", program, "github.com/crm-bridge/crm-bridge/cmd/crm-bridge").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w: %s", version, err, out)
	}
	return program, nil
}

// play runs the scenario through one proxy.
func play(ctx context.Context, s settings, name string) (r result, err error) {
	if s.folder = filepath.Join(s.folder, name); os.Mkdir(s.folder, 0o755) != nil { //nolint:gosec // the proxy's own user reads it
		return r, errors.New("named twice")
	}
	at, err := openSite(s)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, at.close()) }()
	if err := at.startBridge(ctx, s.old); err != nil {
		return r, err
	}
	front, err := openProxy(ctx, at, name)
	if err != nil {
		return r, err
	}
	defer front.close()
	senders, err := samplesOf(at)
	if err != nil {
		return r, err
	}
	if err := check(ctx, at, front, senders); err != nil {
		return r, err
	}
	l := send(ctx, at, front, senders)
	err = errors.Join(err, during(ctx, at, front, l))
	l.senders.Wait()
	if r = l.result(); ctx.Err() != nil {
		return r, ctx.Err()
	}
	r.version, r.gap = front.version, at.gap.String()
	err = errors.Join(err, reconcile(ctx, at, l, &r), front.leaks())
	if lost := r.perfect(front.kind.cuts); s.without == "" && !s.kill {
		err = errors.Join(err, lost)
	} else if lost != nil {
		fmt.Fprintln(os.Stderr, name+":", lost)
	}
	if r.missing+r.twice > 0 {
		err = errors.Join(err, errors.New("answers and stream differ"))
	}
	return r, err
}

// during reloads the proxy after a third of the callbacks, and replaces the bridge after two.
func during(ctx context.Context, at *site, front *proxy, l *load) error {
	if err := l.reached(ctx, at.callbacks/3); err != nil {
		return err
	}
	for i := range at.reloads {
		l.reloading(true)
		if err := front.reload(ctx, i%2 == 0); err != nil {
			return err
		}
		l.reloading(false)
	}
	if err := l.reached(ctx, at.callbacks*2/3); err != nil {
		return err
	}
	return at.replaceBridge(ctx)
}
