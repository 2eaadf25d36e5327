package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// endpointFlags are those of a command that posts events to an endpoint.
type endpointFlags struct {
	contentMode, headerFile string
	retryFor                time.Duration
	skipRefused             bool
}

func (f *endpointFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.contentMode, "content-mode", string(publish.Structured), "of posts: structured, or binary: attributes in headers")
	flags.StringVar(&f.headerFile, "header-file", "", "file with a header of every post on each line, such as Authorization: Bearer …")
	flags.DurationVar(&f.retryFor, "retry-for", 15*time.Minute, "how long to retry an unreachable endpoint or NATS")
	flags.BoolVar(&f.skipRefused, "skip-refused", false, "skip events that the target rejects permanently, and count them")
	completeFlags(cmd, map[string]completer{"content-mode": completeModes})
}

// endpoint is where events are posted to.
type endpoint struct {
	*url.URL
	mode   publish.Mode
	header http.Header
}

// mode returns the content mode.
func (f *endpointFlags) mode() (mode publish.Mode, err error) {
	if err := mode.Decode(f.contentMode); err != nil {
		return mode, fmt.Errorf("%w: --content-mode %w", terminal.ErrUsage, err)
	}
	return mode, nil
}

// endpoint reads the flags of an endpoint with the URL to; otherwise names what else that may be. No error shows the URL.
func (f *endpointFlags) endpoint(to, otherwise string) (e endpoint, err error) {
	if e.mode, err = f.mode(); err != nil {
		return e, err
	}
	if e.URL, err = replay.ParseEndpoint(to); err != nil {
		return e, fmt.Errorf("%w: --to must be %san http or https URL", terminal.ErrUsage, otherwise)
	}
	if f.headerFile == "" {
		return e, nil
	}
	lines, err := os.ReadFile(f.headerFile)
	if err != nil {
		return e, fmt.Errorf("--header-file cannot be read: %w", config.WithoutPath(err))
	}
	if e.header, err = replay.ParseHeader(string(lines)); err != nil {
		return e, fmt.Errorf("--header-file: %w", err)
	}
	return e, nil
}

// target returns what posts to the endpoint.
func (f *endpointFlags) target(e endpoint, parallel int, again func(error)) *replay.Endpoint {
	return &replay.Endpoint{URL: e.String(), Header: e.header, Mode: e.mode, SkipRefused: f.skipRefused, Patience: f.retryFor, Again: again, Parallel: parallel}
}
