package bridge

import (
	"crypto/rand"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// PlaceholderURL stands for the public URL in instructions where none is configured.
const PlaceholderURL = "https://crm.example.com"

// Connection is how an org of a CRM is connected: what to paste there.
type Connection struct {
	Provider     string               `json:"provider"`
	Account      string               `json:"account,omitempty"` // the org's name in events; empty: callbacks name their accounts
	PublicURL    string               `json:"publicUrl"`
	Placeholder  bool                 `json:"placeholder,omitempty"` // PublicURL is not configured, and only an example
	Instructions []ingest.Instruction `json:"instructions"`
}

// Connections returns how the CRMs are connected, as they are configured, for a module and an operation, or for what is configured
// where they are empty.
func (c CRMs) Connections(publicURL, module, operation string) ([]Connection, error) {
	return c.connections(ingest.Connecting{PublicURL: publicURL, Module: module, Operation: operation, Now: time.Now(), NewSecret: rand.Text})
}

// connections is Connections for instructions that depend on more. Without a public URL they have that of an example.
func (c CRMs) connections(connecting ingest.Connecting) ([]Connection, error) {
	placeholder := connecting.PublicURL == ""
	if placeholder {
		connecting.PublicURL = PlaceholderURL
	}
	var all []Connection
	for _, crm := range c {
		if crm.Connect == nil {
			continue
		}
		steps, err := crm.Connect(connecting)
		if err != nil {
			return nil, crm.Explain(err)
		}
		all = append(all, Connection{crm.Provider, crm.Account, connecting.PublicURL, placeholder, ofOrgSteps(crm, steps)})
	}
	return all, nil
}

// ofOrgSteps returns instructions with the variables of the CRM's org in place of the first org's.
func ofOrgSteps(crm *ingest.CRM, steps []ingest.Instruction) []ingest.Instruction {
	if crm.Rename == nil {
		return steps
	}
	for i := range steps {
		step := &steps[i]
		step.Heading, step.Text = crm.Rename(step.Heading), crm.Rename(step.Text)
		for j := range step.Set {
			step.Set[j].Variable = crm.Rename(step.Set[j].Variable)
		}
	}
	return steps
}
