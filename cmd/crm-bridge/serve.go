package main

import (
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/systemd"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
)

func serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Receive callbacks (the default command)",
		Long: `Receive callbacks until SIGTERM, then drain. Environment variables configure everything: crm-bridge config lists them. A socket that
systemd passes (LISTEN_FDS) is used in place of BRIDGE_LISTEN.`,
		Example: bridge.Known().Example("  PROOF=a-long-random-secret crm-bridge serve"),
		Args:    noArgs,
		RunE:    serve,
	}
}

func serve(cmd *cobra.Command, _ []string) error {
	settings, _, err := client.Load(&config.Environment{})
	if err != nil {
		return err
	}
	log, flush := terminal.NewLog(cmd.ErrOrStderr(), slog.Level(settings.LogLevel), settings.LogFormat)
	defer flush()
	if settings.Socket, err = systemd.Socket(); err != nil {
		return err
	}
	started := systemd.Service{Log: log}.Starting()
	b, err := bridge.Open(cmd.Context(), settings, bridge.Openers, log)
	started()
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

// greet says where the bridge listens, what a 200 guarantees, and how to send a first event.
func greet(out io.Writer, b *bridge.Bridge) {
	callbacks, admin, events := "http://"+bridge.Reachable(b.Callbacks), "http://"+bridge.Reachable(b.Admin), b.Store.URL
	if b.Settings.ListenCert != "" {
		callbacks = "https://" + bridge.Reachable(b.Callbacks)
	}
	subjects := b.Settings.SubjectPrefix + ".<provider>.<Module>.<operation>"
	if !terminal.IsTerminal(out) {
		b.Log.Info("serving", "version", config.Release, "callbacks", callbacks, "nats", events, "stream", b.Settings.Stream, "subjects", subjects,
			"admin", admin, "durability", b.Store.Durability(), "try", client.OwnCommand()+" send")
		return
	}
	terminal.Say(out, "crm-bridge %s\n", config.Release)
	terminal.Say(out, "  callbacks   %s  %s\n", callbacks, strings.Join(paths(b.CRMs.Sources()), " "))
	terminal.Say(out, "  events      %s  stream %s, subjects %s\n", events, b.Settings.Stream, subjects)
	terminal.Say(out, "  admin       %s  /healthz /readyz /metrics\n", admin)
	terminal.Say(out, "  console     %s  sign in with the link of: %s status --open\n", admin, client.OwnCommand())
	terminal.Say(out, "  durability  %s\n", b.Store.Durability())
	terminal.Say(out, "Send a first event and see it in the stream:\n")
	terminal.Say(out, "  %s send && %s tail --since 1m --count 1\n", client.OwnCommand(), client.OwnCommand())
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
