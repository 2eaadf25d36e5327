package console

import (
	"context"
	"net/http"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

// refreshed is how often a page that shows the bridge as it is now is refreshed.
const refreshed = 5 * time.Second

// Overview is the first page: is the bridge well, and what needs a person?
func Overview(report func(context.Context) status.Report) Page {
	return Page{
		Title: "Overview", Template: "overview", Every: refreshed,
		View: func(r *http.Request) (any, error) { return overview{report(r.Context())}, nil },
	}
}

// overview is what the template overview shows.
type overview struct{ status.Report }

// Last is the last minute of the hour; a zero one before the first has passed.
func (o overview) Last() status.Rate {
	if len(o.Rates) == 0 {
		return status.Rate{}
	}
	return o.Rates[len(o.Rates)-1]
}

// Accepted are the rates of accepted callbacks, for a chart.
func (o overview) Accepted() []float64 {
	return values(o.Rates, func(r status.Rate) float64 { return r.Accepted })
}

// Rejected are the rates of rejected callbacks, for a chart.
func (o overview) Rejected() []float64 {
	return values(o.Rates, func(r status.Rate) float64 { return r.Rejected })
}

// P99 are the latencies of 99 of 100 callbacks, in milliseconds, for a chart.
func (o overview) P99() []float64 {
	return values(o.Rates, func(r status.Rate) float64 {
		if r.P99 == nil {
			return 0
		}
		return *r.P99 * 1000
	})
}

// Open is how many gaps are open.
func (o overview) Open() (open int) {
	for _, gap := range o.Gaps {
		if gap.Closed == nil {
			open++
		}
	}
	return open
}

// Active is how many of the listed channels have no problem.
func (o overview) Active() (active int) {
	for _, channel := range o.Channels {
		if channel.State == "active" {
			active++
		}
	}
	return active
}

func values(rates []status.Rate, of func(status.Rate) float64) []float64 {
	var all []float64
	for _, rate := range rates {
		all = append(all, of(rate))
	}
	return all
}
