package console

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/quarantine"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// redrive decodes one callback again, once a dry run has shown what it becomes.
func (p QuarantinePages) redrive() Action {
	one := func(ctx context.Context, form url.Values, dryRun bool) (quarantine.Redriven, error) {
		page, err := p.Redrive(ctx, selectionOf(form), 1, dryRun)
		if err != nil {
			return quarantine.Redriven{}, err
		}
		if problem := page.Lines[0].Error; problem != "" {
			return page.Lines[0], errors.New("it stays in quarantine: " + problem)
		}
		return page.Lines[0], nil
	}
	return Action{
		Label: "Redrive",
		Ask: func(ctx context.Context, form url.Values) (Question, error) {
			would, err := one(ctx, form, true)
			return Question{Text: "Redrive " + form.Get("id") + "?", Details: becomes([]quarantine.Redriven{would}), Back: listPath("quarantine", narrow(form, quarantineFilters...))}, err
		},
		Do: func(ctx context.Context, form url.Values) (string, string, error) {
			redriven, err := one(ctx, form, false)
			return "Redriven " + redriven.ID + ": " + published(redriven.Events) + ".", listPath("quarantine", narrow(form, quarantineFilters...)), err
		},
	}
}

// drop removes one callback permanently.
func (p QuarantinePages) drop() Action {
	return Action{
		Label: "Drop",
		Ask: func(ctx context.Context, form url.Values) (Question, error) {
			one, err := p.Get(ctx, form.Get("id"))
			return Question{
				Text: "Drop " + one.ID + "?", Permanent: true, Back: listPath("quarantine", narrow(form, quarantineFilters...)),
				Details: []string{fmt.Sprintf("1 of %s is removed: %s.", one.Source, one.Reason), "No event was published of it, and none will be."},
			}, err
		},
		Do: func(ctx context.Context, form url.Values) (string, string, error) {
			page, err := p.Drop(ctx, selectionOf(form), 1)
			if err == nil && page.Lines[0].Error != "" {
				err = errors.New(page.Lines[0].Error)
			}
			return "Dropped " + form.Get("id") + ".", listPath("quarantine", narrow(form, quarantineFilters...)), err
		},
	}
}

// becomes says what a dry run says: how many events there would be on which subject, and which callbacks would stay, for the same reason.
func becomes(all []quarantine.Redriven) (details []string) {
	subjects, stay, nothing := map[string]int{}, map[string]int{}, 0
	for _, one := range all {
		switch {
		case one.Error != "":
			stay[one.Error]++
		case len(one.Events) == 0:
			nothing++
		}
		for _, ack := range one.Events {
			subjects[ack.Subject]++
		}
	}
	for _, subject := range slices.Sorted(maps.Keys(subjects)) {
		details = append(details, fmt.Sprintf("%d published on %s.", subjects[subject], subject))
	}
	if nothing > 0 {
		details = append(details, fmt.Sprintf("%d need no event, and only leave quarantine.", nothing))
	}
	for _, reason := range slices.Sorted(maps.Keys(stay)) {
		details = append(details, fmt.Sprintf("%d stay: %s.", stay[reason], reason))
	}
	const most = 12
	if len(details) > most {
		details = append(details[:most], fmt.Sprintf("And %d other results.", len(details)-most))
	}
	return details
}

// published says where events are now.
func published(acks []ingest.Ack) string {
	switch len(acks) {
	case 0:
		return "it needed no event"
	case 1:
		return fmt.Sprintf("published on %s, stream %s, sequence %d", acks[0].Subject, acks[0].Stream, acks[0].Sequence)
	}
	return fmt.Sprintf("%d events published, the first on %s, stream %s, sequence %d", len(acks), acks[0].Subject, acks[0].Stream, acks[0].Sequence)
}

// selected says in words which ones a form selects.
func selected(form url.Values) string {
	what := "the callbacks in quarantine"
	switch source := form.Get("source"); source {
	case "":
	case quarantine.Refused:
		what = "the events that the remote NATS rejected"
	default:
		what = "the callbacks of " + source
	}
	if account := form.Get("account"); account != "" {
		what += ", account " + account
	}
	return what
}
