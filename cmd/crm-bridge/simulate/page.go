package simulate

import (
	"bytes"
	"context"
	_ "embed" // page.html
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
)

//go:embed page.html
var pageHTML string

// pageTemplate is the page of the simulated CRMs.
var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"clock":  func(at time.Time) string { return at.UTC().Format(time.TimeOnly) },
	"expiry": expiry,
}).Parse(pageHTML))

// actTimeout bounds what a button does: some call the CRM's API, which may be failing.
const actTimeout = 30 * time.Second

// pages answers on loopback: the page, and the posts of its buttons.
func (p *play) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.show)
	mux.HandleFunc("GET /console/assets/{file}", console.Asset)
	mux.HandleFunc("POST /{provider}/{act}", p.press)
	return console.Guarded(mux)
}

// press does what a button says, and leads back to the page, which says what happened.
func (p *play) press(w http.ResponseWriter, r *http.Request) {
	i := slices.IndexFunc(p.stage.crms, func(one *simulatedCRM) bool { return one.Provider == r.PathValue("provider") })
	j := slices.IndexFunc(acts, func(one act) bool { return one.Name == r.PathValue("act") })
	switch {
	case !ingest.MatchesAny(r.PostForm.Get("csrf"), []string{p.csrf}):
		http.Error(w, "This form is not of this demo. Load the page again.", http.StatusForbidden)
		return
	case i < 0 || j < 0:
		http.NotFound(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), actTimeout)
	defer cancel()
	one := p.stage.crms[i]
	said, err := acts[j].do(p, ctx, one)
	if err != nil {
		said = terminal.Plainly(err)
	}
	p.say("%s: %s", one.Name, said)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// view is what the page shows.
type view struct {
	CSRF, Style, Script, Icon, Version string
	Console, Callbacks, Events         string
	Acts                               []act
	CRMs                               []crmView
	Told                               []told
	Seen                               []seen
}

// crmView is what the page shows of a CRM.
type crmView struct {
	Provider, Name, Wanted, Fault string
	Alive                         bool
	Records                       int
	Channels                      []ingest.Channel // as the bridge last saw them
}

func (p *play) show(w http.ResponseWriter, r *http.Request) {
	v := view{
		CSRF: p.csrf, Style: console.AssetURL("console.css"), Script: console.AssetURL("console.js"), Icon: console.AssetURL("icon.svg"), Version: config.Release, Acts: acts,
		Console: "http://" + bridge.Reachable(p.bridge.Admin), Callbacks: "http://" + bridge.Reachable(p.bridge.Callbacks), Events: p.bridge.Store.URL,
	}
	for _, one := range p.stage.crms {
		shown := crmView{Provider: one.Provider, Name: one.Name, Wanted: one.Wanted, Alive: one.Alive(), Records: p.count(one)}
		if status, left := one.faults.now(); status != 0 {
			shown.Fault = fmt.Sprintf("its API answers %d for another %s", status, left.Round(time.Second))
		}
		channels, err := p.bridge.Keeper.Channels(r.Context(), p.bridge.CRMs.CRM(one.Provider))
		if shown.Channels = channels; err != nil {
			shown.Fault = terminal.Plainly(err)
		}
		v.CRMs = append(v.CRMs, shown)
	}
	p.mu.Lock()
	v.Told, v.Seen = slices.Clone(p.told), slices.Clone(p.events)
	p.mu.Unlock()
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = page.WriteTo(w)
}
