package zohotest

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// entry is a record, or what is left of one.
type entry struct {
	id                string
	values            object
	created, modified time.Time
	deleted           time.Time // zero: it is there
}

// Create adds a record, tells the channels, and returns its id. The error is that of a callback.
func (z *CRM) Create(module string, values map[string]any) (string, error) {
	z.mu.Lock()
	z.nextID++
	record := &entry{id: fmt.Sprintf("6172731%012d", z.nextID), values: object{}, created: z.second(), modified: z.second()}
	maps.Copy(record.values, values)
	if z.records == nil {
		z.records = map[string]map[string]*entry{}
	}
	if z.records[module] == nil {
		z.records[module] = map[string]*entry{}
	}
	z.records[module][record.id] = record
	callbacks := z.notify(module, "create", record.id, values)
	z.mu.Unlock()
	return record.id, z.send(callbacks)
}

// Update changes a record and tells the channels.
func (z *CRM) Update(module, id string, values map[string]any) error {
	z.mu.Lock()
	record := z.records[module][id]
	maps.Copy(record.values, values)
	record.modified = z.second()
	callbacks := z.notify(module, "edit", id, values)
	z.mu.Unlock()
	return z.send(callbacks)
}

// Delete moves a record to the recycle bin and tells the channels.
func (z *CRM) Delete(module, id string) error {
	z.mu.Lock()
	z.records[module][id].deleted = z.second()
	callbacks := z.notify(module, "delete", id, nil)
	z.mu.Unlock()
	return z.send(callbacks)
}

// pagePosition is what a page token stands for: a place in the list of a query, for a day.
type pagePosition struct {
	query string
	after string // the sorting key of the last record before it
	made  time.Time
}

// ExpirePages ends all page tokens.
func (z *CRM) ExpirePages() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.pages = nil
}

const (
	zohoPerPage  = 200
	zohoDiscrete = 2000 // records that pages with a number reach
)

// checkFields returns the names that a request for records gives, or an error's answer.
func checkFields(query url.Values, version string) (names []string, refused *answer) {
	names = strings.Split(query.Get("fields"), ",")
	if query.Get("fields") == "" && since(version, "v3") {
		a := failed(http.StatusBadRequest, "REQUIRED_PARAM_MISSING", "One of the expected parameter is missing", object{"param_name": "fields"})
		return nil, &a
	}
	if len(names) > 50 {
		a := failed(http.StatusBadRequest, "LIMIT_EXCEEDED", "the number of fields exceeds the limit", object{"param_name": "fields"})
		return nil, &a
	}
	if query.Get("fields") == "" {
		names = nil
	}
	return names, nil
}

// row is a record with some of its fields, or with all for nil.
func (e *entry) row(names []string) object {
	row, all := object{"id": e.id}, maps.Clone(e.values)
	all["Created_Time"], all["Modified_Time"] = local(e.created), local(e.modified)
	all["Created_By"], all["Modified_By"] = object{"name": "A maker", "id": "5725767000000411001"}, object{"name": "An editor", "id": "5725767000000411002"}
	for name, value := range all {
		if names == nil || slices.Contains(names, name) {
			row[name] = value
		}
	}
	return row
}

func (z *CRM) list(r *http.Request, version, module string) answer {
	query := r.URL.Query()
	names, refused := checkFields(query, version)
	if refused != nil {
		return *refused
	}
	rows := []sorted{}
	for _, record := range z.records[module] {
		if record.deleted.IsZero() {
			key := map[string]string{"Created_Time": stamp(record.created), "Modified_Time": stamp(record.modified)}[query.Get("sort_by")]
			rows = append(rows, sorted{key + " " + record.id, record.modified, record.row(names)})
		}
	}
	return z.page(r, version, rows)
}

// read answers with those of the records that are named, the latest first.
func (z *CRM) read(r *http.Request, version, module string) answer {
	query := r.URL.Query()
	names, refused := checkFields(query, version)
	if refused != nil {
		return *refused
	}
	ids := strings.Split(query.Get("ids"), ",")
	if len(ids) > cmp.Or(z.MostIDs, 100) {
		return failed(http.StatusBadRequest, "LIMIT_EXCEEDED", "the number of ids exceeds the limit", object{"param_name": "ids"})
	}
	var rows []object
	for _, id := range slices.Backward(slices.Sorted(slices.Values(ids))) {
		if _, err := strconv.ParseUint(id, 10, 64); err != nil {
			return failed(http.StatusBadRequest, "INVALID_DATA", "the id given seems to be invalid", object{"param_name": "ids"})
		}
		if record := z.records[module][id]; record != nil && record.deleted.IsZero() {
			rows = append(rows, record.row(names))
		}
	}
	if len(rows) == 0 {
		return answer{status: http.StatusNoContent}
	}
	return answer{http.StatusOK, object{"data": rows, "info": object{"per_page": zohoPerPage, "count": len(rows), "page": 1, "more_records": false}}}
}

func (z *CRM) listDeleted(r *http.Request, version, module string) answer {
	if kind := r.URL.Query().Get("type"); kind != "all" && kind != "recycle" && kind != "permanent" {
		return failed(http.StatusBadRequest, "INVALID_DATA", "invalid type", object{"param_name": "type"})
	}
	rows := []sorted{}
	for _, record := range z.records[module] {
		if record.deleted.IsZero() {
			continue
		}
		rows = append(rows, sorted{stamp(record.deleted) + " " + record.id, record.deleted, object{
			"id": record.id, "deleted_time": local(record.deleted), "type": "recycle", "display_name": record.values["Name"], "deleted_by": object{"name": "A person", "id": "5725767000000411003"},
		}})
	}
	return z.page(r, version, rows)
}

type sorted struct {
	key string
	at  time.Time
	row object
}

// page answers with a part of rows: 204 where there is nothing at all, 304 where nothing is newer than asked for.
func (z *CRM) page(r *http.Request, version string, rows []sorted) answer {
	if len(rows) == 0 {
		return answer{status: http.StatusNoContent}
	}
	query := r.URL.Query()
	header := r.Header.Get("If-Modified-Since")
	if header != "" {
		limit, err := time.Parse(zohoTime, header)
		if err != nil {
			return failed(http.StatusBadRequest, "INVALID_DATA", "invalid data", object{"header": "If-Modified-Since"})
		}
		if z.After {
			limit = limit.Add(time.Second)
		}
		if rows = slices.DeleteFunc(rows, func(s sorted) bool { return s.at.Before(limit) }); len(rows) == 0 {
			return answer{status: http.StatusNotModified}
		}
	}
	rows = slices.DeleteFunc(rows, func(s sorted) bool { return s.at.After(z.now().Add(-z.Lag)) })
	slices.SortFunc(rows, func(a, b sorted) int { return strings.Compare(a.key, b.key) })
	if query.Get("sort_order") == "desc" {
		slices.Reverse(rows)
	}
	perPage, page := number(query.Get("per_page"), zohoPerPage), number(query.Get("page"), 1)
	if perPage > zohoPerPage {
		return failed(http.StatusBadRequest, "LIMIT_EXCEEDED", "per_page is too large", object{"param_name": "per_page"})
	}
	from := (page - 1) * perPage
	if token := query.Get("page_token"); token != "" && since(version, "v2.1") {
		known, ok := z.pages[token]
		if query.Has("page") {
			return failed(http.StatusBadRequest, "AMBIGUITY_DURING_PROCESSING", "page and page_token cannot be used together", nil)
		}
		if !ok || known.query != pageQuery(query, header) || z.now().Sub(known.made) > 24*time.Hour {
			return failed(http.StatusBadRequest, "INVALID_DATA", "the page_token is invalid or has expired", object{"param_name": "page_token"})
		}
		for from = 0; from < len(rows) && rows[from].key <= known.after; from++ {
		}
		page = 0
	} else if from+perPage > zohoDiscrete && since(version, "v2.1") {
		return failed(http.StatusBadRequest, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", "use page_token beyond the first 2000 records", nil)
	}
	from = min(from, len(rows))
	to := min(from+perPage, len(rows))
	if from == to {
		return answer{status: http.StatusNoContent}
	}
	info := object{"per_page": perPage, "count": to - from, "page": page, "more_records": to < len(rows)}
	if to < len(rows) && since(version, "v2.1") {
		if z.pages == nil {
			z.pages = map[string]pagePosition{}
		}
		token := fmt.Sprintf("page%060d", len(z.pages)+1)
		z.pages[token] = pagePosition{pageQuery(query, header), rows[to-1].key, z.now()}
		info["next_page_token"], info["page_token_expiry"] = token, local(z.now().Add(24*time.Hour))
	}
	data := make([]object, 0, to-from)
	for _, s := range rows[from:to] {
		data = append(data, s.row)
	}
	return answer{http.StatusOK, object{"data": data, "info": info}}
}

// pageQuery is what a page token is bound to.
func pageQuery(query url.Values, header string) string {
	query = maps.Clone(query)
	query.Del("page")
	query.Del("page_token")
	return query.Encode() + "\n" + header
}

// fields tells of a module's fields.
func (z *CRM) fields(r *http.Request) answer {
	if z.NoScope {
		return failed(http.StatusUnauthorized, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL", nil)
	}
	names := map[string]bool{"Created_By": true, "Created_Time": true, "Modified_By": true, "Modified_Time": true}
	for _, record := range z.records[r.URL.Query().Get("module")] {
		for name := range record.values {
			names[name] = true
		}
	}
	var list []object
	for _, name := range slices.Sorted(maps.Keys(names)) {
		list = append(list, object{"api_name": name, "data_type": "text", "id": "1"})
	}
	return answer{http.StatusOK, object{"fields": list}}
}

func local(t time.Time) string { return t.In(zohoZone).Format(zohoTime) }

// stamp sorts as its times do.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05") }

// second is the time as records tell it.
func (z *CRM) second() time.Time { return z.now().Truncate(time.Second) }

// Rows returns the records of a module by their ids, each as a read answers with it; nil: it is deleted.
func (z *CRM) Rows(module string) map[string]map[string]any {
	z.mu.Lock()
	defer z.mu.Unlock()
	rows := map[string]map[string]any{}
	for id, record := range z.records[module] {
		if rows[id] = nil; record.deleted.IsZero() {
			rows[id] = record.row(nil)
		}
	}
	return rows
}
