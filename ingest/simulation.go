package ingest

import "net/http"

// Simulation is a CRM in memory with one subscription, as the command demo shows it. Its functions may be called at the same time.
type Simulation struct {
	API       http.Handler      // what the bridge calls
	Variables map[string]string // set them for a bridge that is to use it, beside BRIDGE_PUBLIC_URL
	Wanted    string            // the variable and value that say what it subscribes to

	// Begin is called once the bridge answers at its public URL; nil: nothing has to be done.
	Begin func(publicURL string) error
	// Create, Edit and Delete change a record as people do, and send callbacks while the subscription is alive. An error is that of a
	// callback: the record has changed all the same.
	Create       func() (id string, err error)
	Edit, Delete func(id string) error

	Drop  func()      // the CRM loses the subscription, and reports that to nobody
	Lose  func(n int) // the next callbacks are lost on their way
	Alive func() bool // the subscription is alive
}
