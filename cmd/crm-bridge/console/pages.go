package console

import (
	"context"
	"net/http"
)

// Pages returns the page of the menu, and that of one callback whole.
func (p QuarantinePages) Pages() []Page {
	return []Page{
		{
			Path: "quarantine", Title: "Quarantine", Template: "quarantine", Every: quarantineEvery,
			View:    func(r *http.Request) (any, error) { return p.list(r.Context(), r.URL.Query()) },
			Actions: map[string]Action{"redrive": p.redrive(), "drop": p.drop(), "redrive-all": p.redriveAll(), "drop-all": p.dropAll()},
		},
		{
			Path: "quarantine/callback", Title: "In quarantine", Template: "callback", Within: "quarantine",
			View: func(r *http.Request) (any, error) {
				ctx, cancel := context.WithTimeout(r.Context(), listTimeout)
				defer cancel()
				one, err := p.Get(ctx, r.URL.Query().Get("id"))
				return callbackView{one}, err
			},
		},
	}
}

// Pages returns the page of the menu, and the one within it.
func (e EventPages) Pages() []Page {
	return []Page{
		{
			Path: "events", Title: "Events", Template: "events", View: e.search,
			Streams: map[string]func(*http.Request, func(string, any) error) error{"live": e.live},
		},
		{Path: "event", Title: "Event", Template: "event", Within: "events", View: e.event},
	}
}

// Pages returns the page of the menu, and the one within it.
func (p RecordPages) Pages() []Page {
	return []Page{
		{Path: "records", Title: "Records", Template: "records", Every: refreshed, View: p.list},
		{Path: "record", Title: "Record", Template: "record", Within: "records", View: p.record},
	}
}

// Pages returns the page of the menu, and the one within it.
func (p ConsumerPages) Pages() []Page {
	return []Page{
		{Path: "consumers", Title: "Consumers", Template: "consumers", Every: refreshed, View: p.list},
		{Path: "consumer", Title: "Consumer", Template: "consumer", Within: "consumers", Every: consumerEvery, View: p.one, Actions: p.actions()},
	}
}

// Pages returns the page of the menu, and those within it.
func (p ReplayPages) Pages() []Page {
	return []Page{
		{Path: "replays", Title: "Replays", Template: "replays", Every: refreshed, View: p.list},
		{
			Path: "replay", Title: "Replay job", Template: "replay", Within: "replays", Every: refreshed, View: p.one,
			Actions: map[string]Action{
				"stop":   {Label: "Stop", Ask: p.askStop, Do: p.stop},
				"resume": {Label: "Resume", Ask: p.askResume, Do: p.resume},
				"delete": {Label: "Delete", Ask: p.askDelete, Do: p.delete},
			},
		},
		{
			Path: "replay-new", Title: "Start a replay", Template: "replay-new", Within: "replays", View: p.form,
			Actions: map[string]Action{"start": {Label: "Start", Ask: p.askStart, Do: p.start}},
		},
	}
}
