package bitrix24test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// itemGet answers crm.item.get.
func (p *Portal) itemGet(params map[string]any) (int, any) {
	entityType, _ := strconv.Atoi(text(params["entitytypeid"]))
	id, _ := strconv.Atoi(text(params["id"]))
	if entityType == ActivityType || entityType == 0 {
		return http.StatusBadRequest, restError("NOT_FOUND", "SPA not found")
	}
	row := p.records[entityType][id]
	if row == nil {
		return http.StatusBadRequest, restError("NOT_FOUND", "Element not found")
	}
	return result(map[string]any{"item": row.item()})
}

// activityGet answers crm.activity.get, whose errors have no code.
func (p *Portal) activityGet(params map[string]any) (int, any) {
	id, _ := strconv.Atoi(text(params["id"]))
	row := p.records[ActivityType][id]
	if row == nil {
		return http.StatusBadRequest, restError("", "Activity is not found.")
	}
	return result(row.activity())
}

// batchMethods are those that a batch may call here.
var batchMethods = map[string]func(*Portal, map[string]any) (int, any){"crm.item.get": (*Portal).itemGet, "crm.activity.get": (*Portal).activityGet}

// batch answers a batch of up to 50 calls, as PHP does: what is empty is a list.
func (p *Portal) batch(params map[string]any) (int, any) {
	calls, _ := params["cmd"].(map[string]any)
	if len(calls) > 50 {
		return http.StatusBadRequest, restError("ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded")
	}
	results, errors, times := map[string]any{}, map[string]any{}, map[string]any{}
	for name, call := range calls {
		method, query, _ := strings.Cut(text(call), "?")
		values, err := url.ParseQuery(query)
		answer, ok := batchMethods[method]
		if err != nil || !ok {
			errors[name] = restError("ERROR_METHOD_NOT_FOUND", "Method not found!")
			continue
		}
		inner := map[string]any{}
		for name, value := range values {
			inner[strings.ToLower(name)] = value[0]
		}
		status, body := p.crm.faulty(method, func() (int, any) { return answer(p, inner) })
		if status != http.StatusOK {
			errors[name] = body
			continue
		}
		results[name] = body.(map[string]any)["result"]
		times[name] = map[string]any{
			"duration": 0.03, "operating": json.Number(strconv.FormatFloat(p.Operating, 'f', -1, 64)), "operating_reset_at": p.crm.now().Add(4 * time.Minute).Unix(),
		}
	}
	return result(map[string]any{"result": phpArray(results), "result_error": phpArray(errors), "result_total": []any{}, "result_next": []any{}, "result_time": phpArray(times)})
}

// phpArray is how PHP writes an array: an empty one is a list.
func phpArray(members map[string]any) any {
	if len(members) == 0 {
		return []any{}
	}
	return members
}
