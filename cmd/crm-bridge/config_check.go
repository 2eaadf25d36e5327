package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/systemd"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
)

// finding is a line of "crm-bridge config check".
type finding struct {
	Check   string `json:"check"` // "variables", "machine", "listen", "certificates", "nats", or a CRM, with an org beside its first: "acme.emea"
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
}

func configCheckCommand() *cobra.Command {
	var offline, files, asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration and list all problems",
		Long: `Validate every variable. Then look at this machine: the data folder, the addresses to listen on, certificates, and the limits of
the process. Then connect to what is configured: the remote NATS, whose streams must fit, and the OAuth server of each CRM with its
credentials. A server whose refresh tokens work once is only contacted, so that none is used up. It changes nothing, lists all
problems, and exits with 1 if there is one.

With --offline it looks at the variables alone, and at the files of NAME_FILE; with --files besides at certificates and credentials.`,
		Example: "  crm-bridge config check\n  crm-bridge config check --offline --files --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return fmt.Errorf("%w: --timeout must be more than 0s", terminal.ErrUsage)
			}
			if files && !offline {
				return fmt.Errorf("%w: --files belongs to --offline; without it all files are looked at", terminal.ErrUsage)
			}
			env := &config.Environment{}
			s, all := loadAll(env)
			findings := findingsOf("variables", env.Problems)
			if files {
				findings = append(findings, findingsOf("files", bridge.CheckFiles(s))...)
			}
			if !offline {
				ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
				defer cancel()
				findings = append(findings, connectAll(ctx, s, all, env.Problems)...)
			}
			if err := printFindings(cmd.OutOrStdout(), findings, asJSON || !terminal.IsTerminal(cmd.OutOrStdout())); err != nil {
				return err
			}
			findings = slices.DeleteFunc(findings, func(f finding) bool { return f.OK })
			switch len(findings) {
			case 0:
				return nil
			case 1:
				return errors.New("the configuration has a problem")
			}
			return fmt.Errorf("the configuration has %d problems", len(findings))
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "only validate the variables: connect to nothing, and do not look at this machine")
	cmd.Flags().BoolVar(&files, "files", false, "with --offline: look at certificates and at the credentials of the remote NATS, too")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "how long to wait for answers")
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON lines, also on a terminal")
	return cmd
}

// loadAll reads everything that serve reads, and leaves all problems in env.Problems.
func loadAll(env *config.Environment) (config.Settings, bridge.CRMs) {
	s, _, _ := client.Load(env)
	var state bridge.DeferredState // never opened: nothing is loaded from it
	setup := ingest.Setup{PublicURLs: s.PublicURL, State: state.State(), Log: slog.New(slog.DiscardHandler), MadeSecret: client.FoundOrFresh(s)}
	all, _ := bridge.Opening{Env: env, Setup: setup}.Open(bridge.Openers)
	var err error
	s.Socket, err = systemd.Socket()
	env.Problems.Add(err)
	env.Problems.Add(bridge.Check(s))
	env.Problems.Add(s.CheckInFlightBytes(config.ProcessMemory()))
	env.Problems.Add(s.Traces.Problem)
	return s, all
}

// connectAll looks at this machine and connects to everything that is configured, at the same time, but not where a variable of it has a
// problem.
func connectAll(ctx context.Context, s config.Settings, crms bridge.CRMs, known config.Problems) []finding {
	checks := map[string]func(context.Context) error{}
	add := func(name, variables string, check func(context.Context) error) {
		if !slices.ContainsFunc(known, func(one error) bool { return strings.Contains(one.Error(), variables) }) {
			checks[name] = check
		}
	}
	if !s.Embedded() {
		add("nats", "BRIDGE_NATS_", func(ctx context.Context) error { return reachRemote(ctx, s, crms) })
	}
	add("machine", "BRIDGE_DATA_DIR", func(context.Context) error { return bridge.CheckMachine(s) })
	add("listen", "LISTEN", func(ctx context.Context) error { return bridge.CheckAddresses(ctx, s) })
	if s.ListenCert != "" || s.NATS.ListenCert != "" {
		add("certificates", "LISTEN_", func(context.Context) error { return bridge.CheckCertificates(s) })
	}
	for _, crm := range crms {
		if crm.Reach != nil {
			add(crm.Key(), config.Prefix+"_"+strings.ToUpper(strings.ReplaceAll(crm.Key(), ".", "_"))+"_", func(ctx context.Context) error { return crm.Explain(crm.Reach(ctx)) })
		}
	}
	var mu sync.Mutex
	var running sync.WaitGroup
	found := map[string][]finding{}
	for name, check := range checks {
		running.Go(func() {
			result := findingsOf(name, check(ctx))
			mu.Lock()
			defer mu.Unlock()
			found[name] = result
		})
	}
	running.Wait()
	var all []finding
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, found[name]...)
	}
	return all
}

// reachRemote connects to the remote NATS, and looks at its streams, which need not exist yet.
func reachRemote(ctx context.Context, s config.Settings, crms bridge.CRMs) error {
	remote := s.NATS.Remote()
	if err := remote.CheckFiles(); err != nil {
		return err
	}
	conn, err := remote.Reach(ctx, slog.New(slog.DiscardHandler))
	if err == nil {
		defer conn.Close()
		err = bridge.CheckStreams(ctx, s, crms, conn)
	}
	var found config.Problems
	for _, one := range config.Each(s.NATS.Explain(err)) {
		found.Add(fmt.Errorf("BRIDGE_NATS_URL: %w", publish.Plain(one, s.NATS.URL)))
	}
	return found.Err()
}

// findingsOf returns a line for each problem in err, or one that says that there is none.
func findingsOf(check string, err error) []finding {
	var findings []finding
	for _, problem := range config.Each(err) {
		findings = append(findings, finding{Check: check, Problem: terminal.Visible(terminal.Plainly(problem))})
	}
	if findings == nil {
		return []finding{{Check: check, OK: true}}
	}
	return findings
}

func printFindings(out io.Writer, findings []finding, asJSON bool) error {
	if asJSON {
		return terminal.WriteJSONLines(out, findings)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, one := range findings {
		terminal.Say(table, "%s\t%s\n", one.Check, cmp.Or(one.Problem, "ok"))
	}
	return table.Flush()
}
