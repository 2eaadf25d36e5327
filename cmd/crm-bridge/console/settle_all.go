package console

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/quarantine"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// settledView is what the template settled shows: a line for each of those that were settled.
type settledView struct {
	Done    string // what was done
	Problem string // that ended it early
	Lines   []settledLine
	Next    *settledNext // settles the next ones; nil: there are none
	Back    string       // path of the list
}

// settledLine is what became of one.
type settledLine struct {
	ID, Result string
	Stays      bool         // in quarantine
	Events     []ingest.Ack // that the page Events can show
}

// settledNext is a button.
type settledNext struct {
	Action, Label string
	Fields        map[string]string
}

// redriveAll redrives all of a source and an account, some at a time, once a dry run has shown what they become.
func (p QuarantinePages) redriveAll() Action {
	return Action{
		Label: "Redrive all of these",
		Ask: func(ctx context.Context, form url.Values) (Question, error) {
			form.Del("upto")
			page, err := p.Redrive(ctx, selectionOf(form), settledAtOnce, true)
			err = errors.Join(err, someOf(page))
			keepEnd(form, page.Last)
			question := Question{Text: fmt.Sprintf("Redrive %d of %s?", len(page.Lines), selected(form)), Details: becomes(page.Lines), Back: listPath("quarantine", narrow(form, quarantineFilters...))}
			if page.Next != 0 {
				question.Details = append(question.Details, "These are the first ones. You are asked about the others afterwards.")
			}
			return question, err
		},
		Show: func(ctx context.Context, form url.Values) (Shown, error) {
			if !form.Has("upto") {
				return Shown{}, errUnasked
			}
			page, err := p.Redrive(ctx, selectionOf(form), settledAtOnce, false)
			var lines []settledLine
			for _, one := range page.Lines {
				line := settledLine{ID: one.ID, Result: published(one.Events)}
				if one.Error != "" {
					line.Result, line.Stays = one.Error, true
				}
				for _, ack := range one.Events {
					if ack.Stream == p.Stream {
						line.Events = append(line.Events, ack)
					}
				}
				lines = append(lines, line)
			}
			return settledShown("Redriven", "redrive-all", form, lines, page.Next, err)
		},
	}
}

// dropAll drops all of a source and an account, some at a time.
func (p QuarantinePages) dropAll() Action {
	return Action{
		Label: "Drop all of these",
		Ask: func(ctx context.Context, form url.Values) (Question, error) {
			form.Del("upto")
			page, err := p.List(ctx, selectionOf(form), settledAtOnce)
			err = errors.Join(err, someOf(page))
			keepEnd(form, page.Last)
			question := Question{
				Text: fmt.Sprintf("Drop %d of %s?", len(page.Lines), selected(form)), Permanent: true, Back: listPath("quarantine", narrow(form, quarantineFilters...)),
				Details: []string{"No event was published of them, and none will be."},
			}
			if page.Next != 0 {
				question.Details = append(question.Details, "These are the first ones. You are asked about the others afterwards.")
			}
			return question, err
		},
		Show: func(ctx context.Context, form url.Values) (Shown, error) {
			if !form.Has("upto") {
				return Shown{}, errUnasked
			}
			page, err := p.Drop(ctx, selectionOf(form), settledAtOnce)
			var lines []settledLine
			for _, one := range page.Lines {
				line := settledLine{ID: one.ID, Result: "dropped"}
				if one.Error != "" {
					line.Result, line.Stays = one.Error, true
				}
				lines = append(lines, line)
			}
			return settledShown("Dropped", "drop-all", form, lines, page.Next, err)
		},
	}
}

// keepEnd has a form mean those that the question counts, and none that comes while it waits for an answer.
func keepEnd(form url.Values, last uint64) { form.Set("upto", strconv.FormatUint(last, 10)) }

// errUnasked says that a form does not hold what its question has added.
var errUnasked = errors.New("this form does not say up to which one: choose again on the page of quarantine")

// someOf returns an error where nothing was found to be settled.
func someOf[T any](page quarantine.Page[T]) error {
	switch {
	case len(page.Lines) > 0:
		return nil
	case page.Next != 0:
		return errors.New("none was found in time; crm-bridge quarantine takes as long as it needs")
	}
	return errors.New("nothing waits here any more")
}

// settledShown shows what was settled, also where an error ended it before the last one.
func settledShown(done, action string, form url.Values, lines []settledLine, next uint64, err error) (Shown, error) {
	if err != nil && len(lines) == 0 {
		return Shown{}, err
	}
	view := settledView{Lines: lines, Back: listPath("quarantine", narrow(form, quarantineFilters...))}
	stay := 0
	for _, line := range lines {
		if line.Stays {
			stay++
		}
	}
	view.Done = fmt.Sprintf("%s %d of %s; %d stay.", done, len(lines)-stay, selected(form), stay)
	if next != 0 {
		fields := map[string]string{"source": form.Get("source"), "account": form.Get("account"), "after": strconv.FormatUint(next, 10)}
		view.Next = &settledNext{"/console/quarantine/" + action, "Go on with the next ones", fields}
	}
	if err != nil {
		view.Problem = sentence(err)
	}
	return Shown{Title: done, Template: "settled", Data: view}, nil
}
