package bitrix24

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
)

// WorkflowsLabel is the label of the source Workflows.
const WorkflowsLabel = "bitrix24-workflows"

const workflowsPath = "/bitrix24/workflows"

// secretParam is the parameter of the URL that proves a workflow's webhook.
const secretParam = "secret"

// workflows understands the callbacks of an "outgoing webhook" step in a workflow. The step names its record and brings
// no token, so a secret in its URL is all that can prove it.
type workflows struct {
	WorkflowSecret ingest.SecretList // the first is the one to use
	Account        string            // of webhooks that do not name their portal
}

// openWorkflows configures the source. Without a secret it takes one that is kept in the data folder, where the bridge may
// make one.
func (c Config) openWorkflows(setup ingest.Setup) (*workflows, error) {
	secrets, err := setup.SecretsOr(c.Bitrix24.WorkflowSecret, madeWorkflowSecret)
	return &workflows{WorkflowSecret: secrets, Account: cmp.Or(setup.Account, "default")}, err
}

// Label implements ingest.Source.
func (w *workflows) Label() string { return WorkflowsLabel }

// Routes implements ingest.Source.
func (w *workflows) Routes() []ingest.Route {
	return []ingest.Route{{Method: http.MethodPost, Path: workflowsPath + "/{operation}"}}
}

// Secrets implements ingest.Source.
func (w *workflows) Secrets() ingest.Secrets {
	s := secrets(w.WorkflowSecret)
	s.Names = []string{secretParam}
	return s
}

// Verify implements ingest.Source: the URL's parameter secret proves the callback.
func (w *workflows) Verify(_ context.Context, cb ingest.Callback) error {
	got := cb.Query.Get(secretParam)
	switch {
	case len(w.WorkflowSecret) == 0:
		return fmt.Errorf("%w: no secret is configured for workflows", ingest.ErrForged)
	case got == "":
		return fmt.Errorf("%w: its URL has no secret", ingest.ErrForged)
	case !ingest.MatchesAny(got, w.WorkflowSecret):
		return fmt.Errorf("%w: its URL brings a wrong secret", ingest.ErrForged)
	}
	return nil
}

// Decode implements ingest.Source. The operation is what the path says; the record is document_id[2]: DEAL_54.
func (w *workflows) Decode(cb ingest.Callback) ([]ingest.Change, error) {
	body, err := parse(cb)
	if err != nil {
		return nil, err
	}
	change := ingest.Change{
		Source: WorkflowsLabel, Provider: Provider, ReceivedAt: cb.At, Origin: ingest.Live, OccurredAt: timestamp(body),
		NativeOperation: cb.Params["operation"], NativeBody: body.native(),
	}
	if change.Operation, err = ingest.Operation(change.NativeOperation); err != nil {
		return nil, err
	}
	if change.NativeQuery, err = nativeQuery(cb.RawQuery); err != nil {
		return nil, err
	}
	document, err := body.text("document_id", "2")
	if err != nil {
		return nil, err
	}
	module, id, entityType, err := record(document)
	if err != nil {
		return nil, err
	}
	change.Module, change.IDs = module, []string{id}
	if entityType != "" {
		change.Values = map[string]json.RawMessage{id: object([]field{entityTypeField(entityType)}, 2)}
	}
	if change.Account, err = memberOf(body); err != nil {
		return nil, err
	}
	change.Account = cmp.Or(change.Account, w.Account)
	change.Collection = collection(body, module, workflowsPath)
	return []ingest.Change{change}, nil
}

// nativeQuery returns what the step's author added to its URL, such as a field of the record; nil where that is nothing.
func nativeQuery(text string) (json.RawMessage, error) {
	query, err := body.ParseForm(text, nil)
	if err != nil || !slices.ContainsFunc(query, func(p body.Param) bool { return !hides([]string{strings.ToLower(p.Name)}, false) }) {
		return nil, err
	}
	return query.JSON(), nil
}

// dynamicItem is the module of smart processes, whose records need an entity type beside their id.
const dynamicItem = "DynamicItem"

var (
	dynamicDocument = regexp.MustCompile(`^(?i:dynamic)_([0-9]{1,20})_([0-9]{1,200})$`)
	document        = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9]*(?:_[A-Za-z][A-Za-z0-9]*)*)_([0-9]{1,200})$`)
)

// record reads the third part of a document_id: DEAL_54, SMART_INVOICE_7, DYNAMIC_1032_21. Further types are taken in the
// same spelling.
func record(text string) (module, id, entityType string, err error) {
	if parts := dynamicDocument.FindStringSubmatch(text); parts != nil {
		return dynamicItem, parts[2], parts[1], nil
	}
	parts := document.FindStringSubmatch(text)
	if parts == nil {
		return "", "", "", fmt.Errorf("%w: document_id must name a record in its third part, as in DEAL_54", ingest.ErrMalformed)
	}
	for word := range strings.SplitSeq(parts[1], "_") {
		module += strings.ToUpper(word[:1]) + strings.ToLower(word[1:])
	}
	return module, parts[2], "", ingest.CheckModule(module)
}
