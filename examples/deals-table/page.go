package main

import (
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// deal is a row on the page.
type deal struct {
	ID      string                     `json:"id"`
	Changed time.Time                  `json:"changed"`
	Values  map[string]json.RawMessage `json:"values"`
	Unknown []string                   `json:"unknown,omitempty"` // changed fields whose new value was not reported
}

// shown is a snapshot of the table, with the position in each subject.
type shown struct {
	Read  map[string]uint64 `json:"read"`
	Deals []deal            `json:"deals"`
}

var html = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>Deals</title>
<style>body{font:16px system-ui;margin:2em}td,th{text-align:left;vertical-align:top;padding:.2em 1em .2em 0}</style>
<h1>{{len .Deals}} deals</h1><table><tr><th>Deal<th>Changed<th>Fields</tr>
{{range .Deals}}<tr><td>{{.ID}}<td>{{.Changed.Format "2006-01-02 15:04:05"}}<td>{{range $name, $value := .Values}}{{$name}}: {{printf "%s" $value}}<br>{{end}}{{range .Unknown}}{{.}}: changed, value not reported<br>{{end}}</tr>
{{end}}</table></html>`))

// pages serves the table to people at /, and to programs at /deals.
func (t *table) pages() http.Handler {
	mux := http.NewServeMux()
	serve := func(path, kind string, write func(http.ResponseWriter, shown) error) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			all, err := t.show()
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", kind)
			_ = write(w, all) // an error means that the client has disconnected
		})
	}
	serve("/{$}", "text/html; charset=utf-8", func(w http.ResponseWriter, all shown) error { return html.Execute(w, all) })
	serve("/deals", "application/json", func(w http.ResponseWriter, all shown) error { return json.NewEncoder(w).Encode(all) })
	return mux
}

// show returns the deals that are not deleted, by id.
func (t *table) show() (shown, error) {
	all := shown{Read: map[string]uint64{}, Deals: []deal{}}
	err := t.db.View(func(tx *bolt.Tx) error {
		err := tx.Bucket(positions).ForEach(func(subject, text []byte) error {
			var at position
			err := json.Unmarshal(text, &at)
			all.Read[string(subject)] = at.Sequence
			return err
		})
		if err != nil {
			return err
		}
		return tx.Bucket(rows).ForEach(func(id, text []byte) error {
			var r row
			if err := json.Unmarshal(text, &r); err != nil || !r.alive() {
				return err
			}
			d := deal{ID: string(id), Changed: r.Changed, Values: map[string]json.RawMessage{}}
			for name, c := range r.Cells {
				if c.Value == nil {
					d.Unknown = append(d.Unknown, name)
				} else {
					d.Values[name] = c.Value
				}
			}
			slices.Sort(d.Unknown)
			all.Deals = append(all.Deals, d)
			return nil
		})
	})
	return all, err
}
