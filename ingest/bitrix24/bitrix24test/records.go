package bitrix24test

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ActivityType is what the fake keeps activities under; they have a list method of their own.
const ActivityType = 6

// Record is a record of the CRM.
type Record struct {
	Type, ID         int
	Created, Updated time.Time
	Fields           map[string]any
}

// entityWords are the names of entities in events, by entityTypeId (crm/data-types.md).
var entityWords = map[int]string{1: "LEAD", 2: "DEAL", 3: "CONTACT", 4: "COMPANY", ActivityType: "ACTIVITY", 7: "QUOTE"}

// Put adds or changes a record, at this moment, and tells who has bound the event.
func (p *Portal) Put(entityType, id int, fields map[string]any) {
	p.crm.mu.Lock()
	ofType := p.records[entityType]
	if ofType == nil {
		ofType = map[int]*Record{}
		p.records[entityType] = ofType
	}
	word, now := "UPDATE", p.crm.now().Truncate(time.Second)
	if ofType[id] == nil {
		word = "ADD"
		ofType[id] = &Record{Type: entityType, ID: id, Created: now, Fields: map[string]any{}}
	}
	ofType[id].Updated = now
	maps.Copy(ofType[id].Fields, fields)
	p.crm.mu.Unlock()
	p.tell(entityType, id, word)
}

// Delete removes a record, and tells who has bound the event.
func (p *Portal) Delete(entityType, id int) {
	p.crm.mu.Lock()
	delete(p.records[entityType], id)
	p.crm.mu.Unlock()
	p.tell(entityType, id, "DELETE")
}

func (p *Portal) tell(entityType, id int, word string) {
	fields := map[string]string{"ID": strconv.Itoa(id)}
	if entity, ok := entityWords[entityType]; ok {
		p.happen("ONCRM"+entity+word, fields)
		return
	}
	fields["ENTITY_TYPE_ID"] = strconv.Itoa(entityType)
	p.happen("ONCRMDYNAMICITEM"+word, fields)
	p.happen("ONCRMDYNAMICITEM"+word+"_"+strconv.Itoa(entityType), fields)
}

// itemList answers crm.item.list: numbers are numbers, names are in camelCase, rows are in result.items.
func (p *Portal) itemList(params map[string]any) (int, any) {
	entityType, err := strconv.Atoi(text(params["entitytypeid"]))
	if err != nil || entityType == ActivityType {
		return http.StatusBadRequest, restError("NOT_FOUND", "SPA type is not found")
	}
	rows, refused := p.list(entityType, params, "updatedTime", "id")
	if refused != "" {
		return http.StatusBadRequest, restError("INVALID_ARG_VALUE", refused)
	}
	items := []any{}
	for _, row := range rows {
		items = append(items, row.item())
	}
	status, body := result(map[string]any{"items": items})
	body.(map[string]any)["total"] = 0 // start=-1 counts nothing
	return status, body
}

// activityList answers crm.activity.list: everything is a string, names are in upper case, rows are result itself.
func (p *Portal) activityList(params map[string]any) (int, any) {
	rows, refused := p.list(ActivityType, params, "LAST_UPDATED", "ID")
	if refused != "" {
		return http.StatusBadRequest, restError("ERROR_CORE", refused)
	}
	items := []any{}
	for _, row := range rows {
		items = append(items, row.activity())
	}
	status, body := result(items)
	body.(map[string]any)["total"] = 0
	return status, body
}

// item is a record as crm.item.list and crm.item.get write it.
func (r *Record) item() map[string]any {
	item := map[string]any{
		"id": r.ID, "entityTypeId": r.Type, "createdTime": portalTime(r.Created), "updatedTime": portalTime(r.Updated),
		"createdBy": 1, "updatedBy": 1,
	}
	maps.Copy(item, r.Fields)
	return item
}

// activity is an activity as crm.activity.list and crm.activity.get write it.
func (r *Record) activity() map[string]any {
	item := map[string]any{
		"ID": strconv.Itoa(r.ID), "OWNER_ID": "15", "OWNER_TYPE_ID": "2", "PROVIDER_PARAMS": []any{},
		"CREATED": portalTime(r.Created), "LAST_UPDATED": portalTime(r.Updated), "AUTHOR_ID": "1", "EDITOR_ID": "1",
	}
	for name, value := range r.Fields {
		item[strings.ToUpper(name)] = fmt.Sprint(value)
	}
	return item
}

// typeList answers crm.type.list: smart processes, without the types that every portal has.
func (p *Portal) typeList(map[string]any) (int, any) {
	types := []any{}
	for _, entityType := range slices.Sorted(maps.Keys(p.records)) {
		if entityType >= 128 {
			types = append(types, map[string]any{"id": entityType, "entityTypeId": entityType, "title": "A smart process"})
		}
	}
	status, body := result(map[string]any{"types": types})
	body.(map[string]any)["total"] = len(types)
	return status, body
}

// list filters, orders and cuts records as both list methods do. It wants the order and the start that the documents
// recommend for large volumes, for nothing else is fast (settings/performance/huge-data.md).
func (p *Portal) list(entityType int, params map[string]any, updated, id string) (rows []*Record, refused string) {
	order, _ := params["order"].(map[string]any)
	if !strings.EqualFold(text(order[id]), "ASC") || len(order) != 1 || text(params["start"]) != "-1" {
		return nil, "this fake lists by ascending " + id + " and start -1 alone"
	}
	rows = slices.SortedFunc(maps.Values(p.records[entityType]), func(a, b *Record) int { return cmp.Compare(a.ID, b.ID) })
	filter, _ := params["filter"].(map[string]any)
	for name, value := range filter {
		var keep func(*Record) bool
		switch name {
		case ">" + id:
			after, err := strconv.Atoi(text(value))
			if err != nil {
				return nil, "Invalid filter: field '" + id + "' has invalid value"
			}
			keep = func(r *Record) bool { return r.ID > after }
		case ">=" + updated, "<" + updated:
			at, err := time.Parse(time.RFC3339, text(value))
			if err != nil {
				return nil, "Invalid filter: field '" + updated + "' has invalid value"
			}
			keep = func(r *Record) bool { return r.Updated.Before(at) == (name[0] == '<') }
		default:
			return nil, "Invalid filter: field '" + name + "' is not allowed in filter"
		}
		rows = slices.DeleteFunc(rows, func(r *Record) bool { return !keep(r) })
	}
	return rows[:min(len(rows), 50)], ""
}
