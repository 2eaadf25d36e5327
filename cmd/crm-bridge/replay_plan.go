package main

import (
	"fmt"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// The targets that are not a URL.
const (
	stdoutTarget  = "stdout"
	subjectTarget = replay.ToSubject
)

// replayFlags are the command's.
type replayFlags struct {
	subjects     []string
	since, until string
	from, upto   uint64
	selected     replay.Selection

	endpointFlags
	dead                    string // a consumer: only what it gave up on
	to, job, state, rate    string
	parallel                int
	restart, dryRun, asJSON bool
}

// replayPlan is a requested replay, checked before anything is connected.
type replayPlan struct {
	replayFlags
	settings config.Settings
	asked    replay.Request
	bounds   publish.Bounds
	rate     config.Rate
	endpoint endpoint // without URL: the target is none

	list  *consumers.DeadLetters // of what consumers gave up on
	given []consumers.Listed     // of it, what is replayed; nil: everything in the span is
	// elsewhere is another stream with messages that the consumer gave up on; empty: there is none.
	elsewhere string
}

// plan checks the flags.
func (f replayFlags) plan(now time.Time) (p *replayPlan, err error) {
	p = &replayPlan{replayFlags: f}
	if p.settings, _, err = client.Load(&config.Environment{}); err != nil {
		return nil, err
	}
	if err := checkSelection(p.selected); err != nil {
		return nil, err
	}
	if err := p.checkTarget(); err != nil {
		return nil, err
	}
	if f.rate != "" && p.rate.Decode(f.rate) != nil {
		return nil, fmt.Errorf("%w: --rate must be a number of events a second, such as 200", terminal.ErrUsage)
	}
	if f.job != "" && !replay.ValidName(f.job) {
		return nil, fmt.Errorf("%w: --job must be 1 to 64 of the characters A-Z a-z 0-9 _ -", terminal.ErrUsage)
	}
	if err := p.checkDead(); err != nil {
		return nil, err
	}
	if err := p.span(now); err != nil {
		return nil, err
	}
	p.asked = replay.Request{
		Stream: p.settings.Stream, Subjects: p.subjects, Since: f.since, Until: f.until, From: f.from, Upto: f.upto,
		Record: f.selected.Record, Account: f.selected.Account, Origin: f.selected.Origin, Dead: f.dead, Target: f.to,
	}
	if p.endpoint.URL != nil {
		p.asked.Target = replay.EndpointName(p.endpoint.URL)
	}
	return p, nil
}

// span reads the part of the stream to replay.
func (p *replayPlan) span(now time.Time) (err error) {
	if len(p.subjects) == 0 {
		p.subjects = []string{p.settings.SubjectPrefix + ".>"}
	}
	for _, subject := range p.subjects {
		if !publish.IsFilter(subject) {
			return fmt.Errorf("%w: %q is not a subject: give tokens joined by dots, such as 'crm.*.Deals.*' or 'crm.>'", terminal.ErrUsage, subject)
		}
	}
	p.bounds = publish.Bounds{From: p.from, To: p.upto}
	if p.since != "" {
		if p.bounds.Since, err = config.ParseWhen(p.since, now); err != nil {
			return fmt.Errorf("%w: --since: %w", terminal.ErrUsage, err)
		}
	}
	if p.until != "" {
		if p.bounds.Until, err = config.ParseWhen(p.until, now); err != nil {
			return fmt.Errorf("%w: --until: %w", terminal.ErrUsage, err)
		}
	}
	if p.since != "" && p.until != "" && !p.bounds.Since.Before(p.bounds.Until) {
		return fmt.Errorf("%w: --since must be before --until", terminal.ErrUsage)
	}
	if p.upto > 0 && p.from > p.upto {
		return fmt.Errorf("%w: --from-sequence must not be more than --to-sequence", terminal.ErrUsage)
	}
	return nil
}

// checkTarget reads the target's flags.
func (p *replayPlan) checkTarget() (err error) {
	mode, err := p.mode()
	if err != nil {
		return err
	}
	posts := p.to != stdoutTarget && p.to != subjectTarget
	for _, flag := range []struct {
		given bool
		name  string
	}{{p.state != "", "--state"}, {p.headerFile != "", "--header-file"}, {mode != publish.Structured, "--content-mode"}, {p.parallel != 1, "--parallel"}} {
		if flag.given && !posts {
			return fmt.Errorf("%w: %s is for --to https://… alone", terminal.ErrUsage, flag.name)
		}
	}
	if p.to == stdoutTarget && (p.job != "" || p.restart || p.skipRefused) {
		return fmt.Errorf("%w: --to stdout keeps no job: --job, --restart and --skip-refused are for the other targets; resume with --from-sequence", terminal.ErrUsage)
	}
	if !posts {
		return nil
	}
	if p.parallel < 1 || p.parallel > replay.MaxParallel {
		return fmt.Errorf("%w: --parallel must be 1 to %d", terminal.ErrUsage, replay.MaxParallel)
	}
	p.endpoint, err = p.endpointFlags.endpoint(p.to, "stdout, subject, or ")
	return err
}

// shownTarget is the target without secrets.
func (p *replayPlan) shownTarget() string {
	if p.endpoint.URL != nil {
		return replay.ShownEndpoint(p.endpoint.URL)
	}
	return p.to
}

// checkDead names the job of --dead after the consumer.
func (p *replayPlan) checkDead() error {
	if p.dead == "" || p.to != subjectTarget || p.job != "" {
		return nil
	}
	if !replay.ValidName(p.dead) {
		return fmt.Errorf("%w: a job cannot be named %q, as the consumer is: give a --job", terminal.ErrUsage, p.dead)
	}
	p.job = p.dead
	return nil
}
