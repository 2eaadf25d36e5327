package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/quarantine"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// completer returns the words that may stand after args; nil: none is known.
type completer func(cmd *cobra.Command, args []string) []string

const (
	// completeWithin is how long a completion may ask the bridge.
	completeWithin = time.Second
	// completeMost bounds the subjects that are asked for, and the words that are shown.
	completeMost = 1000
)

// completeWith completes with what a function returns.
func completeWith(find completer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completeWithin)
		defer cancel()
		cmd.SetContext(ctx)
		found := slices.DeleteFunc(find(cmd, args), func(word string) bool { return !strings.HasPrefix(word, typed) })
		return found[:min(len(found), completeMost)], cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlags sets what completes the values of flags.
func completeFlags(cmd *cobra.Command, flags map[string]completer) {
	for name, find := range flags {
		if err := cmd.RegisterFlagCompletionFunc(name, completeWith(find)); err != nil {
			panic(err) // a fault of the program itself: there is no such flag
		}
	}
}

// either completes with fixed words.
func either(fixed ...string) completer {
	return func(*cobra.Command, []string) []string { return slices.Clone(fixed) }
}

func completeKinds(_ *cobra.Command, args []string) []string {
	if len(args) > 0 {
		return nil
	}
	return bridge.Known().Labels()
}

// completeProviders completes the first argument with CRMs, and the second as more says.
func completeProviders(of bridge.CRMs, more completer) completer {
	return func(cmd *cobra.Command, args []string) []string {
		switch {
		case len(args) == 0:
			return of.Providers()
		case len(args) == 1 && more != nil:
			return more(cmd, args)
		}
		return nil
	}
}

// namedBy returns the CRM that the first argument names, or a kind of whose callbacks it is; nil: there is none.
func namedBy(args []string) *ingest.CRM {
	if len(args) == 0 {
		return nil
	}
	crm := bridge.Known().CRM(args[0])
	if crm == nil {
		crm, _ = bridge.Known().Source(args[0], "")
	}
	return crm
}

// completeModules returns those that the stream has events of, and the example of a CRM: of the provider in args, or of all.
func completeModules(cmd *cobra.Command, args []string) []string {
	var found []string
	provider, named := "*", namedBy(args)
	for _, crm := range bridge.Known() {
		if named == nil || named == crm {
			found = append(found, crm.Words.Module)
		}
	}
	if named != nil {
		provider = named.Provider
	}
	for _, subject := range streamSubjects(cmd.Context(), provider) {
		if tokens := strings.Split(subject, "."); len(tokens) == 4 {
			found = append(found, tokens[2])
		}
	}
	return sorted(found)
}

// completeSubjects returns those of the events in the stream, and the wildcards for each provider and module.
func completeSubjects(cmd *cobra.Command, _ []string) []string {
	var found []string
	for _, subject := range streamSubjects(cmd.Context(), "*") {
		tokens := strings.Split(subject, ".")
		for n := 1; n < len(tokens); n++ {
			found = append(found, strings.Join(tokens[:n], ".")+".>")
		}
		found = append(found, subject)
	}
	return sorted(found)
}

func sorted(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

// streamSubjects asks the stream for the subjects of a provider's events.
func streamSubjects(ctx context.Context, provider string) (found []string) {
	settings, _, err := client.Load(&config.Environment{})
	if err != nil {
		return nil
	}
	conn, err := client.Reach(ctx, settings)
	if err != nil {
		return nil
	}
	defer conn.Close()
	found, _ = conn.Subjects(ctx, settings.Stream, settings.SubjectPrefix+"."+provider+".>", completeMost)
	return found
}

// completeAccounts returns those that are configured: of the provider in args, or of all.
func completeAccounts(_ *cobra.Command, args []string) []string {
	_, crms, _ := client.Load(&config.Environment{})
	if named := namedBy(args); named != nil {
		crms = crms.OfProvider(named.Provider)
	}
	all := strings.Split(crms.Accounts(), ", ")
	return sorted(slices.DeleteFunc(all, func(name string) bool { return name == "" }))
}

func completeOperations(*cobra.Command, []string) []string {
	return []string{"create", "edit", "delete"}
}

func completeOrigins(*cobra.Command, []string) []string {
	return []string{string(ingest.Live), string(ingest.Backfill), string(ingest.Repair)}
}

func completeModes(*cobra.Command, []string) []string {
	return []string{string(publish.Structured), string(publish.Binary)}
}

// completeJobs returns the replay jobs that are kept.
func completeJobs(cmd *cobra.Command, args []string) (names []string) {
	_ = atReplays(cmd, func(place *replay.Place) error {
		kept, err := place.Jobs(cmd.Context())
		for _, job := range kept {
			if !slices.Contains(args, job.Name) {
				names = append(names, job.Name)
			}
		}
		return err
	})
	return names
}

// completeTargets returns what a change of the subscriptions in the CRM that args name can be limited to, as the running bridge has them.
func completeTargets(cmd *cobra.Command, args []string) (found []string) {
	_ = adminLines(cmd, http.MethodGet, "/channels", nil, func(line json.RawMessage) error {
		var channel status.Channel
		if err := json.Unmarshal(line, &channel); err != nil {
			return err
		}
		switch crm := bridge.Known().CRM(args[0]); {
		case crm == nil || channel.Provider != crm.Provider:
		case crm.Words.Target == "module":
			found = append(found, channel.Modules...)
		default:
			found = append(found, channel.Account)
		}
		return nil
	})
	return sorted(found)
}

// completeQuarantined returns the ids of callbacks in quarantine.
func completeQuarantined(cmd *cobra.Command, args []string) (ids []string) {
	if len(args) > 0 {
		return nil
	}
	_ = adminLines(cmd, http.MethodGet, "/quarantine", url.Values{"all": {"true"}}, func(line json.RawMessage) error {
		var one quarantine.Listed
		if json.Unmarshal(line, &one) == nil {
			ids = append(ids, one.ID)
		}
		if len(ids) >= completeMost {
			return errEnough
		}
		return nil
	})
	return ids
}

// completeConsumers returns the names of consumers that are not the bridge's own.
func completeConsumers(cmd *cobra.Command, args []string) []string {
	if len(args) > 0 {
		return nil
	}
	return listedConsumers(cmd, func(one consumers.Consumer) string { return one.Name })
}

// completeStreams returns the streams that have consumers.
func completeStreams(cmd *cobra.Command, _ []string) []string {
	return listedConsumers(cmd, func(one consumers.Consumer) string { return one.Stream })
}

// listedConsumers returns something of each consumer that is not the bridge's own; nil where the bridge does not answer.
func listedConsumers(cmd *cobra.Command, something func(consumers.Consumer) string) (all []string) {
	_ = adminLines(cmd, http.MethodGet, "/consumers", nil, func(line json.RawMessage) error {
		var one consumers.Consumer
		if json.Unmarshal(line, &one) == nil && one.Name != "" && !one.Own {
			all = append(all, something(one))
		}
		return nil
	})
	return sorted(all)
}
