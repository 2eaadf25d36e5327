package hubspot

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net/http"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Signature is a signature as the header has it.
func Signature(secret, method, url, timestamp string, body []byte) string {
	return base64.StdEncoding.EncodeToString(signature(secret, method, url, timestamp, body))
}

// SetHTTP has a CRM call its API by a client.
func SetHTTP(crm *ingest.CRM, client *http.Client) {
	if list, ok := crm.Lister.(*records); ok {
		list.tokens.http = client
	}
	if queue, ok := crm.Drainer.(*journal); ok {
		queue.app.http = client
	}
}

// SetLog has a CRM log the reading of its journal.
func SetLog(crm *ingest.CRM, log *slog.Logger) { crm.Drainer.(*journal).log = log }

// Changes are the changes of a CRM's subscriptions.
func Changes(crm *ingest.CRM, state ingest.State) map[string]func(context.Context, string) ([]ingest.Channel, error) {
	return crm.Watcher.(*subscriptions).changes(state.Shared)
}
