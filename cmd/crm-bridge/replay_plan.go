package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
)

// The targets that are no URL.
const (
	stdoutTarget  = "stdout"
	subjectTarget = "subject"
)

// replayPlan is a replay as it was asked for, checked before anything is connected.
type replayPlan struct {
	replayFlags
	settings config.Settings
	asked    asked
	bounds   publish.Bounds
	rate     config.Rate
	mode     publish.Mode
	endpoint *url.URL // nil: the target is none
	header   http.Header
}

// plan checks the flags.
func (f replayFlags) plan(now time.Time) (p *replayPlan, err error) {
	p = &replayPlan{replayFlags: f}
	if p.settings, _, err = loadClient(&config.Environment{}); err != nil {
		return nil, err
	}
	if err := p.selected.check(); err != nil {
		return nil, err
	}
	if err := p.checkTarget(); err != nil {
		return nil, err
	}
	if f.rate != "" && p.rate.Decode(f.rate) != nil {
		return nil, fmt.Errorf("%w: --rate must be a number of events a second, such as 200", errUsage)
	}
	if f.job != "" && !jobPattern.MatchString(f.job) {
		return nil, fmt.Errorf("%w: --job must be 1 to 64 of the characters A-Z a-z 0-9 _ -", errUsage)
	}
	if err := p.span(now); err != nil {
		return nil, err
	}
	p.asked = asked{
		Stream: p.settings.Stream, Subjects: p.subjects, Since: f.since, Until: f.until, From: f.from, Upto: f.upto,
		Record: f.selected.record, Origin: f.selected.origin, Target: f.to,
	}
	if p.endpoint != nil {
		p.asked.Target = endpointOf(p.endpoint)
	}
	return p, nil
}

// span reads what part of the stream is meant.
func (p *replayPlan) span(now time.Time) (err error) {
	if len(p.subjects) == 0 {
		p.subjects = []string{p.settings.SubjectPrefix + ".>"}
	}
	for _, subject := range p.subjects {
		if !subjectPattern.MatchString(subject) {
			return fmt.Errorf("%w: %q is no subject: give tokens joined by dots, such as 'crm.*.Deals.*' or 'crm.>'", errUsage, subject)
		}
	}
	p.bounds = publish.Bounds{From: p.from, To: p.upto}
	if p.since != "" {
		if p.bounds.Since, err = config.ParseWhen(p.since, now); err != nil {
			return fmt.Errorf("%w: --since: %w", errUsage, err)
		}
	}
	if p.until != "" {
		if p.bounds.Until, err = config.ParseWhen(p.until, now); err != nil {
			return fmt.Errorf("%w: --until: %w", errUsage, err)
		}
	}
	if p.since != "" && p.until != "" && !p.bounds.Since.Before(p.bounds.Until) {
		return fmt.Errorf("%w: --since must be before --until", errUsage)
	}
	if p.upto > 0 && p.from > p.upto {
		return fmt.Errorf("%w: --from-sequence must not be more than --to-sequence", errUsage)
	}
	return nil
}

// checkTarget reads where events shall go.
func (p *replayPlan) checkTarget() (err error) {
	if err := p.mode.Decode(p.contentMode); err != nil {
		return fmt.Errorf("%w: --content-mode %w", errUsage, err)
	}
	posts := p.to != stdoutTarget && p.to != subjectTarget
	for _, flag := range []struct {
		given bool
		name  string
	}{{p.state != "", "--state"}, {p.headerFile != "", "--header-file"}, {p.mode != publish.Structured, "--content-mode"}} {
		if flag.given && !posts {
			return fmt.Errorf("%w: %s is for --to https://… alone", errUsage, flag.name)
		}
	}
	if p.to == stdoutTarget && (p.job != "" || p.restart || p.skipRefused) {
		return fmt.Errorf("%w: --to stdout keeps no job: --job, --restart and --skip-refused are for the other targets; --from-sequence goes on from a place", errUsage)
	}
	if !posts {
		return nil
	}
	if p.endpoint, err = parseEndpoint(p.to); err != nil {
		return err
	}
	p.header, err = readHeaders(p.headerFile)
	return err
}

// shownTarget is the target without secrets.
func (p *replayPlan) shownTarget() string {
	if p.endpoint != nil {
		return shownEndpoint(p.endpoint)
	}
	return p.to
}

// run does what was planned.
func (p *replayPlan) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if err := p.mayWrite(); err != nil {
		return err
	}
	conn, err := connectReader(p.settings)
	if err != nil {
		return err
	}
	defer conn.Close()
	errs := cmd.ErrOrStderr()
	span, err := conn.OpenSpan(ctx, p.settings.Stream, p.subjects, p.bounds)
	if err != nil {
		return err
	}
	if p.dryRun {
		total, err := span.Count(ctx, span.First)
		if err != nil {
			return err
		}
		span.Patience = p.retryFor
		counts, err := countSubjects(ctx, span, p.selected, terminal.NewProgress(errs, "messages"), total)
		if err != nil {
			return err
		}
		return showCounts(cmd.OutOrStdout(), counts, p.asJSON || !terminal.IsTerminal(cmd.OutOrStdout()))
	}
	r := &replay{span: span, selected: p.selected, pace: newPace(p.rate), patience: p.retryFor, bar: terminal.NewProgress(errs, "messages"), idle: func() {}}
	return p.replay(cmd, conn, r)
}

// mayWrite returns an error where the target takes a right that only the bridge's own user has.
func (p *replayPlan) mayWrite() error {
	if !p.settings.Embedded() || p.dryRun || p.to == stdoutTarget || p.state != "" {
		return nil
	}
	_, err := datadir.ReadSecret(p.settings.DataDir, datadir.OwnerSecret)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if p.endpoint != nil {
		return errors.New("only the bridge's own user may keep the job beside the stream: run it where BRIDGE_DATA_DIR is the folder of the running bridge, or keep the job in a file: --state FILE")
	}
	return errors.New("only the bridge's own user may publish: run it where BRIDGE_DATA_DIR is the folder of the running bridge")
}

// replay runs the job of the plan, or goes on with it.
func (p *replayPlan) replay(cmd *cobra.Command, conn *publish.Conn, r *replay) error {
	ctx, errs := cmd.Context(), cmd.ErrOrStderr()
	closeTarget, err := p.openTarget(ctx, conn, r, cmd.OutOrStdout())
	if err != nil {
		return err
	}
	defer closeTarget()
	// Events on stdout are alone there.
	result, asJSON := cmd.OutOrStdout(), p.asJSON || !terminal.IsTerminal(cmd.OutOrStdout())
	if p.to == stdoutTarget {
		result, asJSON = errs, p.asJSON || !terminal.IsTerminal(errs)
		r.bar.Quiet = terminal.IsTerminal(cmd.OutOrStdout())
	}
	if ended := r.job.Ended; !ended.IsZero() {
		terminal.Say(errs, "job %s was done on %s: --restart begins it anew, and another --job is another one\n", r.job.Name, ended.Local().Format(time.DateTime))
		return p.result(r, 0, true).tell(result, asJSON)
	}
	if r.job.store != nil {
		terminal.Say(errs, "job %s: %d messages to read, %d done; after an interruption the same command with --job %s goes on\n", r.job.Name, r.job.Total, r.job.Tally.Read, r.job.Name)
	}
	r.bar.GoesOn(int(r.job.Tally.Read), r.job.part())
	began := time.Now()
	err = r.run(ctx)
	r.bar.End(int(r.job.Tally.Read), r.job.part())
	if err != nil {
		return r.explain(ctx, err)
	}
	return p.result(r, time.Since(began), false).tell(result, asJSON)
}

func (p *replayPlan) result(r *replay, took time.Duration, before bool) replayed {
	done := replayed{To: p.shownTarget(), place: p.shownTarget(), First: r.job.First, Last: r.job.Last, tally: r.job.Tally, Seconds: took.Seconds(), Before: before}
	if r.job.store != nil {
		done.Job = r.job.Name
	}
	if done.To == subjectTarget {
		done.place = fmt.Sprintf("%s-replay.%s.> in %s", p.settings.SubjectPrefix, done.Job, p.settings.ReplayStream())
	}
	done.Gone = r.job.Total - min(r.job.Total, r.job.Tally.Read)
	return done
}

// openTarget loads or begins the job, and opens what takes its events.
func (p *replayPlan) openTarget(ctx context.Context, conn *publish.Conn, r *replay, out io.Writer) (closeTarget func(), err error) {
	closeTarget = func() {}
	if p.to == stdoutTarget {
		to := newToStdout(r, out)
		r.target, r.idle = to, func() { _ = to.out.Flush() } // a write that fails does so again
		r.job, err = p.newJob(ctx, r.span)
		return closeTarget, err
	}
	var held replayStore
	if p.state != "" {
		file, err := openStateFile(p.state)
		if err != nil {
			return closeTarget, err
		}
		held, closeTarget = file, func() { _ = file.Close() }
	} else if held, err = openReplayState(ctx, p.settings, conn, r.bar); err != nil {
		if p.endpoint != nil {
			err = fmt.Errorf("%w; where you may only read, keep the job in a file: --state FILE", err)
		}
		return closeTarget, err
	}
	if err = p.openJob(ctx, held, r); err == nil && p.endpoint != nil {
		r.target = &toHTTP{replay: r, client: newHTTPClient(), url: p.endpoint.String(), header: p.header, mode: p.mode, skip: p.skipRefused}
		err = r.job.claim(ctx)
	} else if err == nil {
		err = p.openSubject(ctx, conn, r)
	}
	if err != nil {
		closeTarget()
	}
	return closeTarget, err
}
