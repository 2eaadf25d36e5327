package console

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// ReplayPages are the pages of replay jobs: all of them, one, and the form that starts one. Set the fields once.
type ReplayPages struct {
	Prefix string // first token of live subjects
	List   func(ctx context.Context) ([]replay.Status, error)
	Count  func(ctx context.Context, o replay.Order) (counts []replay.SubjectCount, complete bool, err error)
	Start  func(ctx context.Context, o replay.Order) (name string, err error)
	Stop   func(ctx context.Context, name string) error
	Resume func(ctx context.Context, name string, o replay.Options) error
	Delete func(ctx context.Context, name string) (removed uint64, err error)
}

// maxJobs bounds the rows of the list.
const maxJobs = 100

// jobRow is a job as a page shows it.
type jobRow struct {
	replay.Status
	To       string // where it replays to, without secrets
	Selects  string
	Endpoint bool // it posts
}

// Percent returns how much of the job is done.
func (j jobRow) Percent() int { return int(100 * j.Part()) }

// Trouble says what is wrong with the job.
func (j jobRow) Trouble() string {
	switch {
	case j.Problem != "":
		return capital(j.Problem) + "."
	case j.Err != nil:
		return sentence(j.Err)
	}
	return ""
}

// Runs reports whether the job is at work in this bridge, Rests whether it can be resumed.
func (j jobRow) Runs() bool { return j.State == replay.Running }

// Rests reports whether the job can be resumed.
func (j jobRow) Rests() bool {
	return j.Problem == "" && (j.State == replay.Stopped || j.State == replay.Failed || j.State == replay.Interrupted)
}

func (p ReplayPages) row(s replay.Status) jobRow {
	row := jobRow{Status: s, To: s.Request.Target, Endpoint: s.Request.Target != replay.ToSubject}
	if !row.Endpoint {
		row.To = p.Prefix + "-replay." + s.Name + ".>"
	}
	row.Selects = selects(s.Request)
	return row
}

// selects says what a job replays.
func selects(r replay.Request) string {
	all := []string{strings.Join(r.Subjects, ", ")}
	for _, one := range []struct{ name, value string }{
		{"record", r.Record},
		{"account", r.Account},
		{"origin", r.Origin},
		{"since", r.Since},
		{"until", r.Until},
		{"from sequence", number(r.From)},
		{"to sequence", number(r.Upto)},
	} {
		if one.value != "" {
			all = append(all, one.name+" "+one.value)
		}
	}
	return strings.Join(all, ", ")
}

// replaysView is what the template replays shows.
type replaysView struct {
	Jobs    []jobRow
	More    int // that are not listed
	Problem string
}

// list shows all jobs.
func (p ReplayPages) list(r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), viewTimeout)
	defer cancel()
	var view replaysView
	all, err := p.List(ctx)
	if err != nil {
		view.Problem = sentence(err)
	}
	for _, one := range all[:min(len(all), maxJobs)] {
		view.Jobs = append(view.Jobs, p.row(one))
	}
	view.More = max(0, len(all)-maxJobs)
	return view, nil
}

// one shows a job.
func (p ReplayPages) one(r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), viewTimeout)
	defer cancel()
	return p.find(ctx, r.URL.Query())
}

// find returns the job that a query or a form names.
func (p ReplayPages) find(ctx context.Context, form url.Values) (jobRow, error) {
	all, err := p.List(ctx)
	if err != nil {
		return jobRow{}, err
	}
	for _, one := range all {
		if one.Name == form.Get("name") {
			return p.row(one), nil
		}
	}
	return jobRow{}, ErrNotFound
}

func jobPath(name string) string { return "/console/replay?" + url.Values{"name": {name}}.Encode() }

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
