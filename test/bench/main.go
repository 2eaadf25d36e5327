// Command bench measures the bridge beside a floor, the minimum that a program between HTTP and JetStream can do.
//
// All subjects are measured in one run, alternately and several times, each in a process and a folder of its own, under the same load, so
// that numbers of one run can be compared. A single number says little, because the load runs on the same cores. docs/performance.md
// explains the tables.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// plan is what a run measures.
type plan struct {
	subjects    []subject
	connections []int
	rounds      int
	warm, load  time.Duration
	dir         string // that contains the folders of the servers
	program     string // the built bridge
	callback    callback
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) > 0 && hidden[args[0]] != nil {
		return hidden[args[0]](ctx, args[1:])
	}
	p, page, err := parse(args)
	if err != nil {
		return err
	}
	if p.dir, err = os.MkdirTemp(p.dir, "crm-bridge-bench-"); err != nil {
		return fmt.Errorf("-dir: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(p.dir)) }()
	p.program = filepath.Join(p.dir, "crm-bridge")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", p.program, "./cmd/crm-bridge").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	seen, err := p.measure(ctx, os.Stderr)
	if err != nil {
		return err
	}
	var text strings.Builder
	describe(ctx, &text, p, seen)
	if _, err := io.WriteString(os.Stdout, text.String()); err != nil || page == "" {
		return err
	}
	return rewrite(page, text.String())
}

// parse reads the flags.
func parse(args []string) (p plan, page string, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.DurationVar(&p.load, "duration", 3*time.Second, "load of each measurement, after a warm-up")
	flags.DurationVar(&p.warm, "warm", 700*time.Millisecond, "warm-up before each measurement")
	flags.IntVar(&p.rounds, "rounds", 3, "measurements of each subject with each number of connections")
	connections := flags.String("connections", "1,64,256", "connections that send at once")
	names := flags.String("subjects", "", "comma-separated names of what to measure; all: "+strings.Join(namesOf(subjects), ", ")+"; default: "+strings.Join(namesOf(usual()), ", "))
	kind := flags.String("callback", callbacks[0].name, "what to send: notification or webhook")
	flags.StringVar(&page, "write", "", "page whose generated part to rewrite, such as docs/performance.md")
	var beside []subject
	flags.Func("beside", "NAME=FILE of another build of the bridge, to measure with the settings of "+committed+"; repeatable", func(value string) error {
		name, file, ok := strings.Cut(value, "=")
		if !ok || name == "" || slices.Contains(namesOf(slices.Concat(subjects, beside)), name) {
			return errors.New("use NAME=FILE with a new name")
		}
		if _, err := exec.LookPath(file); err != nil {
			return err
		}
		beside = append(beside, besideCommit(name, file))
		return nil
	})
	flags.StringVar(&p.dir, "dir", "", "folder on the disk to measure; default: the one for temporary files")
	if err := flags.Parse(args); err != nil {
		return p, "", err
	}
	if p.rounds < 1 || p.load <= 0 {
		return p, "", errors.New("-rounds and -duration must be positive")
	}
	for _, word := range splitList(*connections) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > 2000 {
			return p, "", fmt.Errorf("-connections: %q is not a number from 1 to 2000", word)
		}
		p.connections = append(p.connections, n)
	}
	if p.callback, err = named(*kind); err != nil {
		return p, "", err
	}
	p.subjects, err = choose(*names)
	p.subjects = append(p.subjects, beside...)
	return p, page, err
}

// choose returns the subjects in a list of names, in the order of the table; the usual ones if it is empty.
func choose(list string) ([]subject, error) {
	if list == "" {
		return usual(), nil
	}
	names := splitList(list)
	if list == "all" {
		names = namesOf(subjects)
	}
	for _, name := range names {
		if !slices.Contains(namesOf(subjects), name) {
			return nil, fmt.Errorf("-subjects: unknown subject %q; use %s", name, strings.Join(namesOf(subjects), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(subjects), func(s subject) bool { return !slices.Contains(names, s.name) }), nil
}

func splitList(list string) []string {
	words := strings.Split(list, ",")
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	return words
}
