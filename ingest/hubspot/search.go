package hubspot

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"golang.org/x/time/rate"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

const (
	searchLimit  = 200 // the most that a search returns at once
	readLimit    = 100 // records that batch/read returns at once
	archiveLimit = 100 // archived records in a page
)

// records lists what changed in portals, as ingest.Lister, and reads records, as ingest.Reader.
//
// Records are listed as they are now, by their last modification, then those that are archived. The search returns at most 10,000 results,
// and a record that is modified meanwhile moves to its end. So each page is a search of its own, from the millisecond of the last record on,
// without those that are known. Where a page is of one millisecond, its records are listed by their ids. A record may be listed twice, with
// the same Mark.
type records struct {
	tokens *tokens
	pace   *rate.Limiter // of searches
}

// place is the position in the lists; the cursor is its JSON.
type place struct {
	Portal   string
	Since    int64  // ms: the search begins there
	Until    int64  // ms: the search ends before it
	Crowd    string `json:",omitempty"` // id behind which the records of the millisecond Since are listed; empty: they are not
	Archived bool   `json:",omitempty"` // in the list of archived records, which comes second
	After    string `json:",omitempty"` // page of that
}

// listing reads the lists of one object of one portal.
type listing struct {
	*records
	query      ingest.Query
	of         object
	portal     string
	properties []string        // to be read of each record; nil: those that the search returns
	seen       map[string]bool // ids of the millisecond at which the next search begins
	total      int
	place      place
}

// filter is a condition of a search. Those of one search must all hold.
type filter struct {
	Property string `json:"propertyName"`
	Operator string `json:"operator"`
	Value    string `json:"value"`
}

// search returns the records at the place, in order, and how many there are.
func (l *listing) search(ctx context.Context) (rows []rawJSON, total int, err error) {
	if err := l.pace.Wait(ctx); err != nil {
		return nil, 0, err
	}
	mark, order := l.of.watermark(), l.of.watermark()
	ms := func(at int64) string { return strconv.FormatInt(at, 10) }
	filters := []filter{{mark, "GTE", ms(l.place.Since)}, {mark, "LT", ms(l.place.Until)}}
	if l.place.Crowd != "" {
		order = "hs_object_id"
		filters = []filter{filters[0], {mark, "LT", ms(l.place.Since + 1)}, {order, "GT", l.place.Crowd}}
	}
	ask := map[string]any{
		"filterGroups": []any{map[string]any{"filters": filters}},
		"sorts":        []any{map[string]string{"propertyName": order, "direction": "ASCENDING"}},
		"limit":        searchLimit,
	}
	if l.properties != nil { // a search may not name them all: its body is limited to 3,000 characters
		ask["properties"] = []string{mark}
	}
	var answer struct {
		Total   int       `json:"total"`
		Results []rawJSON `json:"results"`
	}
	err = l.inTurn(ctx, rest.Past, l.place.Portal, http.MethodPost, l.of.below("/search"), ask, &answer)
	return answer.Results, answer.Total, err
}

// values reads all properties of records. One that is gone meanwhile stays as it was found.
func (l *listing) values(ctx context.Context, found []record) ([]rawJSON, error) {
	rows := make([]rawJSON, len(found))
	at := map[string]int{}
	for i, one := range found {
		rows[i], at[one.id] = one.raw, i
	}
	for first := 0; first < len(found) && l.properties != nil; first += readLimit {
		var ids []string
		for _, one := range found[first:min(first+readLimit, len(found))] {
			ids = append(ids, one.id)
		}
		answer, err := l.batch(ctx, rest.Past, l.place.Portal, l.of, ids, l.properties)
		if err != nil {
			return nil, err
		}
		for _, raw := range answer.Results {
			one, err := readRecord(l.of, raw)
			if err != nil {
				return nil, err
			}
			if i, ok := at[one.id]; ok {
				rows[i] = raw
			}
		}
	}
	return rows, nil
}

// propertiesOf returns the names of an object's properties; nil where the app may not read them.
func (r *records) propertiesOf(ctx context.Context, as bearer, of object) (names []string, err error) {
	names, err = r.propertyNames(ctx, as, of)
	if answered(err, http.StatusForbidden) || answered(err, http.StatusNotFound) {
		r.tokens.log.WarnContext(ctx, "records are read with HubSpot's default properties alone, because the properties of the object cannot be listed", "module", of.module, "reason", err)
		return nil, nil
	}
	return names, err
}

// propertyNames returns the names of an object's properties.
func (r *records) propertyNames(ctx context.Context, as bearer, of object) (names []string, err error) {
	var answer struct{ Results []struct{ Name string } }
	_, err = r.tokens.call(ctx, as, http.MethodGet, "/crm/properties/"+version+"/"+of.path, nil, &answer)
	for _, one := range answer.Results {
		if propertyName.MatchString(one.Name) {
			names = append(names, one.Name)
		}
	}
	return names, err
}

// archived reads the page of archived records at the place, and moves to the next one. They are in no order.
func (l *listing) archived(ctx context.Context) (rows []rawJSON, more bool, err error) {
	query := url.Values{"archived": {"true"}, "limit": {strconv.Itoa(archiveLimit)}}
	if l.place.After != "" {
		query.Set("after", l.place.After)
	}
	var answer struct {
		Results []rawJSON
		Paging  struct{ Next struct{ After string } }
	}
	if err := l.inTurn(ctx, rest.Past, l.place.Portal, http.MethodGet, l.of.below("?"+query.Encode()), nil, &answer); err != nil {
		return nil, false, err
	}
	more = answer.Paging.Next.After != "" && answer.Paging.Next.After != l.place.After
	l.place.After = answer.Paging.Next.After
	return answer.Results, more, nil
}

// below returns a path below that of the object's records.
func (o object) below(path string) string {
	return "/crm/objects/" + version + "/" + o.path + path
}
