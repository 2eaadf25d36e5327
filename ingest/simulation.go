package ingest

import "net/http"

// Simulation is a CRM in memory, with one subscription, as the command demo shows it.
type Simulation struct {
	API       http.Handler                          // what the bridge calls
	Variables func(apiURL string) map[string]string // set them for a bridge that is to use it, beside BRIDGE_PUBLIC_URL
	Wanted    string                                // the variable and value that the text of the demo names
	Work      func() (callbacks int, err error)     // people change records, and the CRM sends callbacks
	Miss      func() error                          // the CRM loses the subscription, and a record changes without a callback
	Alive     func() int                            // how many subscriptions are alive
}
