package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// sendOptions are the flags of send.
type sendOptions struct {
	url, module, operation, channel, token, file, contentType string
	ids                                                       []string
	count                                                     int
	rate                                                      float64
	json                                                      bool
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
	next := sampler(source, o, settings.DataDir)
	if o.file != "" {
		if next, err = fileSampler(next, o, cmd.InOrStdin()); err != nil {
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

// callbackClient posts to a bridge at a base URL; it knows the certificate of the one on this machine.
func callbackClient(s config.Settings, base string) (*http.Client, error) {
	if s.ListenCert == "" || base != s.CallbackURL() {
		return http.DefaultClient, nil
	}
	config, err := pinned(s.ListenCert)
	if err != nil {
		return nil, fmt.Errorf("BRIDGE_LISTEN_CERT: %w", err)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config}}, nil
}

// sampler makes callbacks for changes as the flags describe them. The bridge's own secrets are in its data folder.
func sampler(source ingest.Source, o sendOptions, data string) func(i int) (ingest.Callback, error) {
	var at time.Time
	return func(int) (ingest.Callback, error) {
		if now := time.Now().UTC(); now.Sub(at) >= time.Millisecond {
			at = now
		} else {
			at = at.Add(time.Millisecond) // CRMs count in milliseconds: the same record in the same one would be a repeat
		}
		maker, ok := source.(ingest.Sampler)
		if !ok {
			return ingest.Callback{}, errors.New("this kind has no samples: give --file")
		}
		cb, err := maker.Sample(sampleChange(o, at), o.token)
		if _, missing := datadir.ReadSecret(data, datadir.AdminSecret); err != nil && errors.Is(missing, fs.ErrNotExist) {
			err = fmt.Errorf("%w; or run it where BRIDGE_DATA_DIR (%s) is the folder of the running bridge", err, data)
		}
		return cb, err
	}
}

func sampleChange(o sendOptions, at time.Time) ingest.Change {
	change := ingest.Change{
		Module: o.module, Operation: strings.ToLower(o.operation[:min(1, len(o.operation))]) + o.operation[min(1, len(o.operation)):],
		Channel: o.channel, IDs: o.ids, OccurredAt: at, ReceivedAt: at,
	}
	if len(change.IDs) == 0 {
		change.IDs = []string{strconv.FormatInt(5725767000000000000+rand.Int64N(1e12), 10)} //nolint:gosec // others may send at the same time, and none is a secret
	}
	return change
}

// fileSampler puts the content of a file, as it is, where a sample's own body would be.
func fileSampler(next func(int) (ingest.Callback, error), o sendOptions, stdin io.Reader) (func(int) (ingest.Callback, error), error) {
	read := func() ([]byte, error) { return os.ReadFile(o.file) }
	if o.file == "-" {
		read = func() ([]byte, error) { return io.ReadAll(stdin) }
	}
	body, err := read()
	if err != nil {
		return nil, err
	}
	return func(i int) (ingest.Callback, error) {
		cb, err := next(i)
		if cb.Body = body; cb.Header != nil {
			cb.Header.Set("Content-Type", o.contentType)
		}
		return cb, err
	}, nil
}

// sender posts callbacks and prints the answers.
type sender struct {
	client   *http.Client
	url      string
	out      io.Writer
	json     bool
	accepted int
	rejected int // for their proof
}

// sent is one answer as send prints it.
type sent struct {
	Status int             `json:"status"`
	MS     float64         `json:"ms"`
	Answer json.RawMessage `json:"answer,omitempty"`
}

func (s *sender) post(ctx context.Context, cb ingest.Callback) error {
	request, err := asRequest(ctx, s.url, cb)
	if err != nil {
		return err
	}
	start := time.Now()
	response, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("no bridge answers at %s: %w; start one with %s", s.url, errors.Unwrap(err), ownCommand())
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	answer := sent{Status: response.StatusCode, MS: float64(time.Since(start).Microseconds()) / 1000}
	if json.Valid(body) {
		answer.Answer = body
	}
	switch answer.Status {
	case http.StatusOK:
		s.accepted++
	case http.StatusUnauthorized:
		s.rejected++
	}
	if s.json {
		return terminal.JSONEncoder(s.out).Encode(answer)
	}
	terminal.Say(s.out, "%d  %6.2f ms  %s\n", answer.Status, answer.MS, summary(answer))
	return nil
}

// asRequest is a callback as it is sent to the bridge at a base URL.
func asRequest(ctx context.Context, base string, cb ingest.Callback) (*http.Request, error) {
	target := strings.TrimRight(base, "/") + cb.Path
	if len(cb.Query) > 0 {
		target += "?" + cb.Query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, cb.Method, target, bytes.NewReader(cb.Body))
	if err != nil {
		return nil, fmt.Errorf("%w: --url: %w", errUsage, err)
	}
	request.Header = cb.Header
	return request, nil
}

// summary is an answer in words.
func summary(answer sent) string {
	var body struct {
		Events []ingest.Ack
		Detail string
	}
	if json.Unmarshal(answer.Answer, &body) != nil || len(body.Events) == 0 {
		return body.Detail
	}
	var parts []string
	for _, ack := range body.Events {
		part := fmt.Sprintf("%s  stream %s sequence %d  id %s", ack.Subject, ack.Stream, ack.Sequence, ack.ID)
		if ack.Duplicate {
			part += "  (a repeat)"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "\n     ")
}
