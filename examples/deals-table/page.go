package main

import (
	"encoding/json"
	"html/template"
	"net/http"

	bolt "go.etcd.io/bbolt"
)

// shown is a snapshot of the table.
type shown struct {
	Read  uint64                     `json:"read"`  // the sequence of the last state that is in it
	Deals map[string]json.RawMessage `json:"deals"` // by partitionkey
}

var html = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>Deals</title>
<style>body{font:16px system-ui;margin:2em}td,th{text-align:left;vertical-align:top;padding:.2em 1em .2em 0}</style>
<h1>{{len .Deals}} deals</h1><table><tr><th>Deal<th>As it is</tr>
{{range $key, $deal := .Deals}}<tr><td>{{$key}}<td>{{printf "%s" $deal}}</tr>
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

// show returns the rows.
func (t *table) show() (shown, error) {
	all := shown{Deals: map[string]json.RawMessage{}}
	err := t.db.View(func(tx *bolt.Tx) error {
		at, err := positionIn(tx)
		if err != nil {
			return err
		}
		all.Read = at.Sequence
		return tx.Bucket(rows).ForEach(func(key, deal []byte) error {
			all.Deals[string(key)] = append(json.RawMessage{}, deal...) // bytes of a transaction do not outlive it
			return nil
		})
	})
	return all, err
}
