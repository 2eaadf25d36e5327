package main

import (
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
)

func serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "serve",
		Short:   "Receive callbacks (the default command)",
		Long:    "Receive callbacks until SIGTERM, then drain. Everything is set by environment variables: crm-bridge config lists them.",
		Example: known().example("  PROOF=a-long-random-secret crm-bridge serve"),
		Args:    noArgs,
		RunE:    serve,
	}
}

func serve(cmd *cobra.Command, _ []string) error {
	settings, _, err := loadClient(&config.Environment{})
	if err != nil {
		return err
	}
	log, flush := terminal.NewLog(cmd.ErrOrStderr(), slog.Level(settings.LogLevel), settings.LogFormat)
	defer flush()
	b, err := openBridge(cmd.Context(), settings, crms, log)
	if err != nil {
		return err
	}
	defer b.Close()
	greet(cmd.OutOrStdout(), b)
	if err := b.Run(cmd.Context()); err != nil {
		return err
	}
	b.Close()
	log.Info("stopped: every answered event is safe")
	return nil
}

// greet says where the bridge listens, what an answer of it means, and how to send it a first event.
func greet(out io.Writer, b *bridge) {
	callbacks, admin, events := "http://"+reachable(b.callbacks), "http://"+reachable(b.admin), b.store.URL
	if b.settings.ListenCert != "" {
		callbacks = "https://" + reachable(b.callbacks)
	}
	subjects := b.settings.SubjectPrefix + ".<provider>.<Module>.<operation>"
	if !terminal.IsTerminal(out) {
		b.log.Info("serving", "version", config.Release, "callbacks", callbacks, "nats", events, "stream", b.settings.Stream, "subjects", subjects,
			"admin", admin, "durability", b.store.Durability(), "try", ownCommand()+" send")
		return
	}
	terminal.Say(out, "crm-bridge %s\n", config.Release)
	terminal.Say(out, "  callbacks   %s  %s\n", callbacks, strings.Join(paths(b.crms.sources()), " "))
	terminal.Say(out, "  events      %s  stream %s, subjects %s\n", events, b.settings.Stream, subjects)
	terminal.Say(out, "  admin       %s  /healthz /readyz /metrics\n", admin)
	terminal.Say(out, "  durability  %s\n", b.store.Durability())
	terminal.Say(out, "Send a first event and see it in the stream:\n")
	terminal.Say(out, "  %s send && %s tail --since 1m --count 1\n", ownCommand(), ownCommand())
}

// paths are those that the sources answer.
func paths(sources []ingest.Source) []string {
	var paths []string
	for _, source := range sources {
		for _, route := range source.Routes() {
			paths = append(paths, route.Path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// reachable is the address of a listener as a client on this machine writes it.
func reachable(listener net.Listener) string {
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return listener.Addr().String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// notSecret are the variables that another command needs to find this bridge; they are safe to print.
var notSecret = []string{"BRIDGE_LISTEN", "BRIDGE_ADMIN_LISTEN", "BRIDGE_NATS_LISTEN", "BRIDGE_DATA_DIR", "BRIDGE_STREAM", "BRIDGE_SUBJECT_PREFIX"}

// ownCommand is how the person who started this program starts another of its commands.
func ownCommand() string {
	var words []string
	for _, name := range notSecret {
		if value := os.Getenv(name); value != "" {
			words = append(words, name+"="+quoted(value))
		}
	}
	program := os.Args[0]
	switch {
	case strings.Contains(program, "go-build"):
		program = "go run ./cmd/crm-bridge"
	default:
		program = quoted(program)
		if found, err := exec.LookPath("crm-bridge"); err == nil && sameFile(found, os.Args[0]) {
			program = "crm-bridge"
		}
	}
	return strings.Join(append(words, program), " ")
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+-]+$`)

// quoted is a word as a shell reads it.
func quoted(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	if path, err := exec.LookPath(b); err == nil {
		b = path
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
