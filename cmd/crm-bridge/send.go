package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/simulate"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// sendOptions are the flags of send.
type sendOptions struct {
	simulate.Spec
	url   string
	count int
	rate  float64
	json  bool

	dryRun bool
}

func sendCommand() *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send [kind]",
		Short: "Send callbacks to a bridge as a CRM would",
		Long: `Send realistic callbacks to a bridge, authenticated with the secrets of the environment or the data folder, and print its answers.
Kinds: ` + strings.Join(bridge.Known().Labels(), ", ") + `.

With --dry-run nothing is posted, stored or published, and no bridge has to run: the callback is authenticated, decoded, mapped and
masked by this command as the bridge with this environment would, and each event is printed as a line {"subject","event"}. It
fails if the callback would not be accepted, and says why. It does not know the tokens that a running bridge has from installations.`,
		Example: bridge.Known().Example(`  crm-bridge send
  crm-bridge send LABEL --module MODULE --operation delete --id 5725767000003000010
  crm-bridge send --count 1000 --rate 200
  crm-bridge send --file callback.json
  crm-bridge send --dry-run --file callback.json | jq .event.data`),
		Args: atMostOneArg, ValidArgsFunction: completeWith(completeKinds),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind := bridge.Known()[0].Sources[0].Label()
			if len(args) > 0 {
				kind = args[0]
			}
			return send(cmd, kind, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.url, "url", "", "base URL of the bridge (default: BRIDGE_LISTEN on this machine)")
	flags.StringVar(&o.Module, "module", "", "module of the record (default: that of contacts)")
	flags.StringVar(&o.Operation, "operation", "edit", "create, edit, delete or the CRM's own word")
	flags.StringArrayVar(&o.IDs, "id", nil, "record id; may be given several times (default: a new one for each callback)")
	flags.StringVar(&o.Channel, "channel", "", "channel id (default: one that a token is known for)")
	flags.StringVar(&o.Account, "account", "", "org whose secrets authenticate the callback, by its name in events (default: the first)")
	flags.StringVar(&o.Token, "token", "", "token that authenticates the callback (default: the configured one)")
	flags.IntVar(&o.count, "count", 1, "how many callbacks")
	flags.Float64Var(&o.rate, "rate", 0, "callbacks a second (default: one after the other)")
	flags.StringVar(&o.File, "file", "", "post this file verbatim (- for standard input)")
	flags.StringVar(&o.ContentType, "content-type", "application/json", "content type of --file")
	flags.BoolVar(&o.dryRun, "dry-run", false, "print the events that would be published, and publish nothing")
	flags.BoolVar(&o.json, "json", false, "answers as JSON lines, also on a terminal")
	completeFlags(cmd, map[string]completer{"module": completeModules, "operation": completeOperations, "account": completeAccounts})
	return cmd
}

func send(cmd *cobra.Command, kind string, o sendOptions) error {
	env := &config.Environment{}
	settings, all, err := client.Load(env)
	if err == nil && o.dryRun {
		all, err = client.Alone(settings, &config.Environment{})
	}
	if err != nil {
		return err
	}
	crm, source, err := o.source(all, kind)
	if err != nil {
		return err
	}
	next := simulate.Samples(source, o.Spec, settings.DataDir)
	used := client.UsedSecret(settings, env, crm, source, o.Token)
	if o.File != "" {
		if next, err = simulate.FileSamples(next, o.Spec, cmd.InOrStdin()); err != nil {
			return err
		}
		from := o.File
		if from == "-" {
			from = "standard input"
		}
		used = "what " + from + " holds, and in its headers and URL with " + used
	}
	if o.dryRun {
		return o.rehearse(cmd, settings, all, crm, source, next, used)
	}
	if o.url == "" {
		o.url = settings.CallbackURL()
	}
	poster, err := simulate.CallbackClient(settings, o.url)
	if err != nil {
		return err
	}
	s := &simulate.Poster{Client: poster, URL: o.url, Source: source, Token: o.Token, Out: cmd.OutOrStdout(), JSON: o.json || !terminal.IsTerminal(cmd.OutOrStdout())}
	return o.post(cmd, crm, s, next, used)
}

// source returns the source of a kind, of the org that --account names.
func (o sendOptions) source(all bridge.CRMs, kind string) (*ingest.CRM, ingest.Source, error) {
	first, known := all.Source(kind, "")
	if known == nil {
		return nil, nil, fmt.Errorf("%w: there is no kind %q; the kinds are %s", terminal.ErrUsage, kind, strings.Join(all.Labels(), ", "))
	}
	crm, source := all.SourceOf(kind, o.Account)
	switch {
	case source == nil:
		return nil, nil, fmt.Errorf("%w: %s has no org %q; %s", terminal.ErrUsage, first.Provider, o.Account, namesOf(all.OfProvider(first.Provider)))
	case o.count < 1 || o.rate < 0:
		return nil, nil, fmt.Errorf("%w: --count must be at least 1, and --rate not negative", terminal.ErrUsage)
	case o.dryRun && o.url != "":
		return nil, nil, fmt.Errorf("%w: --dry-run posts nothing: leave out --url", terminal.ErrUsage)
	}
	return crm, source, nil
}

// post posts callbacks and prints the answers.
func (o sendOptions) post(cmd *cobra.Command, crm *ingest.CRM, s *simulate.Poster, next func(int) (ingest.Callback, error), used string) error {
	limit := rate.NewLimiter(rate.Inf, 1)
	if o.rate > 0 {
		limit = rate.NewLimiter(rate.Limit(o.rate), 1)
	}
	start := time.Now()
	for i := range o.count {
		if limit.Wait(cmd.Context()) != nil {
			break
		}
		cb, err := next(i)
		if err != nil {
			return crm.Explain(err)
		}
		if err := s.Post(cmd.Context(), cb); err != nil {
			return err
		}
	}
	if o.count > 1 {
		terminal.Say(cmd.ErrOrStderr(), "%d of %d accepted in %s\n", s.Accepted, o.count, time.Since(start).Round(time.Millisecond))
	}
	if s.Rejected > 0 {
		return client.Rejected(used)
	}
	if s.Accepted < o.count {
		return terminal.ErrSilent
	}
	return nil
}

// rehearse prints the events that a bridge with these settings would publish.
func (o sendOptions) rehearse(cmd *cobra.Command, s config.Settings, all bridge.CRMs, crm *ingest.CRM, source ingest.Source, next func(int) (ingest.Callback, error), used string) error {
	rehearsal, err := simulate.OpenRehearsal(s, all, cmd.OutOrStdout())
	if err != nil {
		return err
	}
	defer rehearsal.Close()
	for i := range o.count {
		cb, err := next(i)
		if err != nil {
			return crm.Explain(err)
		}
		none, err := rehearsal.Take(cmd.Context(), cb, source, o.Token)
		var refused simulate.Refused
		switch {
		case errors.As(err, &refused) && refused.Status == http.StatusUnauthorized:
			return fmt.Errorf("%w; it was authenticated with %s", err, used)
		case err != nil:
			return err
		case none != "":
			terminal.Say(cmd.ErrOrStderr(), "the answer would be 200, without an event: %s\n", terminal.Visible(none))
		}
	}
	return nil
}

// namesOf says which orgs of a CRM --account can name.
func namesOf(orgs bridge.CRMs) string {
	if names := orgs.Accounts(); names != "" {
		return "it has " + names
	}
	return "it has one org: leave out --account"
}
