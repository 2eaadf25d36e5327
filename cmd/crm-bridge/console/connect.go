package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// Connection is how an org of a CRM is connected: what to paste there.
type Connection struct {
	Provider, Name string // of the CRM, as in subjects and as people write it
	Account        string // the org's name; empty: callbacks name their accounts
	PublicURL      string // in what is to be pasted
	Placeholder    bool   // PublicURL is not configured, and only an example
	Doubt          string // why a CRM probably cannot call the PublicURL; empty: nothing is known against it
	Steps          []ingest.Instruction
}

// ConnectPages show what to paste into each CRM, and whether a callback has come. Secrets are shown only when asked for. Set the fields once.
type ConnectPages struct {
	Report      func(context.Context) status.Report
	Connections func() ([]Connection, error)
	// Check returns nil if the public URL leads to this bridge, with the secrets of an org. Unless unchecked is empty, that is why the
	// secrets could not be compared.
	Check func(ctx context.Context, provider, account string) (unchecked string, err error)
}

// Pages returns the page of the menu, and that of one CRM.
func (p ConnectPages) Pages() []Page {
	return []Page{
		{
			Path: "connect", Title: "Connect", Template: "connect", Every: refreshed,
			View: func(r *http.Request) (any, error) { return p.list(r.Context()) },
		},
		{
			Path: "connect/crm", Title: "Connect a CRM", Template: "connect-crm", Within: "connect", Every: refreshed,
			View: func(r *http.Request) (any, error) { return p.one(r.Context(), r.URL.Query(), false) },
			Actions: map[string]Action{
				"show": {Label: "Show secrets", Show: func(ctx context.Context, form url.Values) (Shown, error) {
					one, err := p.one(ctx, form, true)
					return Shown{one.title(), "connect-crm", one, one.Path()}, err
				}},
				"check": {Label: "Check the public URL", Do: p.check},
			},
		},
	}
}

// connectList is what the template connect shows.
type connectList struct {
	Placeholder bool
	All         []connection
}

// connection is what the template connect-crm shows.
type connection struct {
	Connection
	Steps   []step
	Secrets bool                 // are shown
	Last    map[string]time.Time // when callbacks last came, by source; none: the source has had none
	Forged  map[string]uint64    // callbacks in a row that were not authenticated, by source
}

// step is an instruction with its place in the list.
type step struct {
	ingest.Instruction
	Number int
}

func (p ConnectPages) list(ctx context.Context) (any, error) {
	all, err := p.Connections()
	view, now := connectList{}, p.Report(ctx)
	for _, one := range all {
		view.Placeholder = view.Placeholder || one.Placeholder
		view.All = append(view.All, connectionOf(one, now, false))
	}
	return view, err
}

func (p ConnectPages) one(ctx context.Context, named url.Values, secrets bool) (connection, error) {
	all, err := p.Connections()
	if err != nil {
		return connection{}, err
	}
	i := slices.IndexFunc(all, func(one Connection) bool {
		return one.Provider == named.Get("provider") && one.Account == named.Get("account")
	})
	if i < 0 {
		return connection{}, ErrNotFound
	}
	return connectionOf(all[i], p.Report(ctx), secrets), nil
}

// check says whether the public URL leads to this bridge.
func (p ConnectPages) check(ctx context.Context, form url.Values) (done, back string, err error) {
	one, err := p.one(ctx, form, false)
	if err != nil {
		return "", "", err
	}
	unchecked, err := p.Check(ctx, one.Provider, one.Account)
	if unchecked != "" {
		return "A crm-bridge answers at " + one.PublicURL + "; " + unchecked + ".", one.Path(), err
	}
	return "This bridge answers at " + one.PublicURL + ".", one.Path(), err
}

func connectionOf(one Connection, report status.Report, secrets bool) connection {
	view := connection{Connection: one, Secrets: secrets, Last: map[string]time.Time{}, Forged: map[string]uint64{}}
	for i, instruction := range one.Steps {
		view.Steps = append(view.Steps, step{instruction, i + 1})
	}
	for _, source := range report.Sources {
		if source.LastCallback != nil {
			view.Last[source.Label] = *source.LastCallback
		}
		view.Forged[source.Label] = source.Forged
	}
	return view
}

// title implements titled.
func (c connection) title() string { return "Connect " + c.Name }

// Path is where the page of the connection is.
func (c connection) Path() string {
	return listPath("connect/crm", url.Values{"provider": {c.Provider}, "account": {c.Account}})
}

// Fields are those of a form about the connection.
func (c connection) Fields() map[string]string {
	return map[string]string{"provider": c.Provider, "account": c.Account}
}

// Sources are the labels of the sources that the steps bring callbacks to, each once.
func (c connection) Sources() (labels []string) {
	for _, step := range c.Steps {
		if !slices.Contains(labels, step.Source) {
			labels = append(labels, step.Source)
		}
	}
	return labels
}

// HasSecrets reports whether any step has a secret to show.
func (c connection) HasSecrets() bool {
	return slices.ContainsFunc(c.Steps, func(s step) bool {
		return s.Hides(false) || slices.ContainsFunc(s.Paste, func(p ingest.Paste) bool { return p.Secret })
	})
}

// Hides reports whether Lines hides a secret.
func (s step) Hides(secrets bool) bool {
	return !secrets && slices.ContainsFunc(s.Set, func(one ingest.Setting) bool { return one.Secret && one.Value != "" })
}

// Lines are the variables to set for a step, as lines of an environment file; secrets are hidden unless they are to be shown.
func (s step) Lines(secrets bool) string {
	var lines []string
	for _, one := range s.Set {
		value := one.Value
		switch {
		case value == "":
			value = "…"
		case one.Secret && !secrets:
			value = hiddenSecret
		}
		line := one.Variable + "=" + value
		if one.From != "" {
			line = "# " + one.From + "\n" + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// hiddenSecret stands for a secret that is not shown.
const hiddenSecret = "••••••••"

// Hidden stands for a secret that is not shown.
func (connection) Hidden() string { return hiddenSecret }
