package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// sendOptions are the flags of send.
type sendOptions struct {
	order
	url   string
	count int
	rate  float64
	json  bool
}

func sendCommand() *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send [kind]",
		Short: "Send callbacks to a bridge as a CRM would",
		Long: `Send realistic callbacks to a bridge, proven with what the environment and the data folder say, and print its answers.
Kinds: ` + strings.Join(known().labels(), ", ") + `.`,
		Example: known().example(`  crm-bridge send
  crm-bridge send LABEL --module MODULE --operation delete --id 5725767000003000010
  crm-bridge send --count 1000 --rate 200
  crm-bridge send --file callback.json`),
		Args: atMostOneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			kind := known()[0].Sources[0].Label()
			if len(args) > 0 {
				kind = args[0]
			}
			return send(cmd, kind, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.url, "url", "", "base URL of the bridge (default: as BRIDGE_LISTEN says, on this machine)")
	flags.StringVar(&o.module, "module", "", "module of the record (default: that of contacts)")
	flags.StringVar(&o.operation, "operation", "edit", "create, edit, delete or the CRM's own word")
	flags.StringArrayVar(&o.ids, "id", nil, "record id; may be given several times (default: a new one for each callback)")
	flags.StringVar(&o.channel, "channel", "", "channel id (default: one that a token is known for)")
	flags.StringVar(&o.token, "token", "", "token to prove the callback with (default: the right one)")
	flags.IntVar(&o.count, "count", 1, "how many callbacks")
	flags.Float64Var(&o.rate, "rate", 0, "callbacks a second (default: one after the other)")
	flags.StringVar(&o.file, "file", "", "post this file as it is (- for standard input)")
	flags.StringVar(&o.contentType, "content-type", "application/json", "content type of --file")
	flags.BoolVar(&o.json, "json", false, "answers as JSON lines, also on a terminal")
	return cmd
}

func send(cmd *cobra.Command, kind string, o sendOptions) error {
	env := &config.Environment{}
	settings, all, err := loadClient(env)
	if err != nil {
		return err
	}
	source := all.source(kind)
	if source == nil {
		return fmt.Errorf("%w: there is no kind %q; the kinds are %s", errUsage, kind, strings.Join(all.labels(), ", "))
	}
	if o.count < 1 || o.rate < 0 {
		return fmt.Errorf("%w: --count must be at least 1, and --rate not negative", errUsage)
	}
	if o.url == "" {
		o.url = settings.CallbackURL()
	}
	next := sampler(source, o.order, settings.DataDir)
	if o.file != "" {
		if next, err = fileSampler(next, o.order, cmd.InOrStdin()); err != nil {
			return err
		}
	}
	client, err := callbackClient(settings, o.url)
	if err != nil {
		return err
	}
	used := usedSecret(settings, env, source, o.token)
	if o.file != "" {
		from := o.file
		if from == "-" {
			from = "standard input"
		}
		used = "what " + from + " holds, and in its headers and URL with " + used
	}
	s := sender{client: client, url: o.url, out: cmd.OutOrStdout(), json: o.json || !terminal.IsTerminal(cmd.OutOrStdout())}
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
			return err
		}
		if err := s.post(cmd.Context(), cb); err != nil {
			return err
		}
	}
	if o.count > 1 {
		terminal.Say(cmd.ErrOrStderr(), "%d of %d accepted in %s\n", s.accepted, o.count, time.Since(start).Round(time.Millisecond))
	}
	if s.rejected > 0 {
		return rejected(used)
	}
	if s.accepted < o.count {
		return errSilent
	}
	return nil
}
