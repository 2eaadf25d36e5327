package bitrix24

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
)

const (
	sampleDomain = "some-domain.bitrix24.com"
	sampleModule = "Contact" // of a change that names none
)

// Sample implements ingest.Sampler: an event as an outgoing webhook posts it, in a form. Bitrix24 tells of one record at
// a time, so of several it takes the first.
func (e *Events) Sample(change ingest.Change, token string) (ingest.Callback, error) {
	if change.Account == "" {
		change.Account = e.sampleMember()
	}
	if tokens := e.Tokens.For(change.Account); token == "" && len(tokens) > 0 {
		token = tokens[0]
	}
	if token == "" {
		return ingest.Callback{}, errors.New("no Bitrix24 application token is configured: set BRIDGE_BITRIX24_TOKENS as the bridge has it, or pass --token")
	}
	change.Module = cmp.Or(change.Module, sampleModule)
	if change.NativeOperation == "" {
		operation, err := ingest.Operation(change.Operation)
		if err != nil {
			return ingest.Callback{}, err
		}
		if change.NativeOperation, err = e.table.nameOf(change.Module, operation); err != nil {
			return ingest.Callback{}, err
		}
	}
	form := body.Params{{Name: "event", Value: change.NativeOperation}, {Name: "event_handler_id", Value: "58"}}
	if len(change.IDs) > 0 {
		others, err := sampleFields(change.Values[change.IDs[0]])
		if err != nil {
			return ingest.Callback{}, err
		}
		form = append(append(form, body.Param{Name: "data[FIELDS][ID]", Value: change.IDs[0]}), others...)
	}
	if !change.OccurredAt.IsZero() {
		form = append(form, body.Param{Name: "ts", Value: strconv.FormatInt(change.OccurredAt.Unix(), 10)})
	}
	form = append(
		form,
		body.Param{Name: "auth[domain]", Value: sampleDomain},
		body.Param{Name: "auth[client_endpoint]", Value: "https://" + sampleDomain + "/rest/"},
		body.Param{Name: "auth[server_endpoint]", Value: "https://oauth.bitrix.info/rest/"},
		body.Param{Name: "auth[member_id]", Value: change.Account},
		body.Param{Name: "auth[application_token]", Value: token},
	)
	return post(EventsLabel, eventsPath, change, form), nil
}

// Proof implements ingest.Sampler.
func (e *Events) Proof() (variable, file string) {
	return "BRIDGE_BITRIX24_TOKENS", madeApplicationToken
}

// Proof implements ingest.Sampler.
func (w *workflows) Proof() (variable, file string) {
	return "BRIDGE_BITRIX24_WORKFLOW_SECRET", madeWorkflowSecret
}

// sampleMember is a portal that a token is known for.
func (e *Events) sampleMember() string {
	const member = "a223c6b3710f85df22e9377d6c4f7553"
	if len(e.Tokens) == 0 || len(e.Tokens.For(member)) > 0 {
		return member
	}
	return slices.Min(slices.Collect(maps.Keys(e.Tokens)))
}

// sampleFields are the members of values, a JSON object, beside the record's id.
func sampleFields(values json.RawMessage) (body.Params, error) {
	var members map[string]json.RawMessage
	if len(values) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(values, &members); err != nil {
		return nil, fmt.Errorf("the values of the record: %w", err)
	}
	var form body.Params
	for _, name := range slices.Sorted(maps.Keys(members)) {
		var text string
		if json.Unmarshal(members[name], &text) != nil {
			text = string(members[name])
		}
		form = append(form, body.Param{Name: "data[FIELDS][" + name + "]", Value: text})
	}
	return form, nil
}

// Sample implements ingest.Sampler: an outgoing webhook as a workflow posts it. A workflow runs on one record, so of
// several it takes the first.
func (w *workflows) Sample(change ingest.Change, token string) (ingest.Callback, error) {
	if token == "" && len(w.WorkflowSecret) > 0 {
		token = w.WorkflowSecret[0]
	}
	if token == "" {
		return ingest.Callback{}, errors.New("no secret for Bitrix24's workflows is configured: set BRIDGE_BITRIX24_WORKFLOW_SECRET as the bridge has it, or pass --token")
	}
	if change.NativeOperation == "" {
		change.NativeOperation = change.Operation
	}
	if _, err := ingest.Operation(change.NativeOperation); err != nil {
		return ingest.Callback{}, err
	}
	if len(change.IDs) == 0 {
		return ingest.Callback{}, errors.New("a workflow runs on a record, and the change names none")
	}
	change.Module = cmp.Or(change.Module, sampleModule)
	id := change.IDs[0]
	class, document := sampleDocument(change.Module, id, change.Values[id])
	if module, got, _, err := record(document); err != nil || got != id || !strings.EqualFold(module, change.Module) {
		return ingest.Callback{}, fmt.Errorf("no document of Bitrix24 is known for the module %q and that record id", change.Module)
	}
	form := body.Params{{Name: "document_id[0]", Value: "crm"}, {Name: "document_id[1]", Value: class}, {Name: "document_id[2]", Value: document}}
	if change.Account != "" && change.Account != "default" {
		form = append(form, body.Param{Name: "auth[member_id]", Value: change.Account})
	}
	cb := post(WorkflowsLabel, workflowsPath+"/"+change.NativeOperation, change, form)
	cb.Params = map[string]string{"operation": change.NativeOperation}
	cb.Query = url.Values{secretParam: {token}}
	cb.RawQuery = cb.Query.Encode()
	return cb, nil
}

var capital = regexp.MustCompile(`(.)([A-Z])`)

// sampleDocument writes a record as document_id does: the class of its document, and its type with its id.
func sampleDocument(module, id string, values json.RawMessage) (class, document string) {
	const others = `Bitrix\Crm\Integration\BizProc\Document\`
	switch module {
	case "Lead", "Deal", "Contact", "Company":
		return "CCrmDocument" + module, strings.ToUpper(module) + "_" + id
	case dynamicItem:
		var item struct {
			Type json.RawMessage `json:"ENTITY_TYPE_ID"`
		}
		if json.Unmarshal(values, &item) != nil || len(item.Type) == 0 {
			item.Type = []byte("1032")
		}
		return others + "Dynamic", "DYNAMIC_" + string(bytes.Trim(item.Type, `"`)) + "_" + id
	}
	return others + module, strings.ToUpper(capital.ReplaceAllString(module, "${1}_$2")) + "_" + id
}

// post makes the request of a form, its brackets percent-encoded as on the wire.
func post(label, path string, change ingest.Change, form body.Params) ingest.Callback {
	return ingest.Callback{
		Source: label, At: change.ReceivedAt, Method: http.MethodPost, Path: path,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte(form.Encode()),
	}
}
