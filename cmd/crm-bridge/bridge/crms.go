package bridge

import (
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/hubspot"
	"github.com/crm-bridge/crm-bridge/ingest/pipedrive"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
)

// Openers open the CRMs that the bridge knows. The first is the one of examples, and of a plain crm-bridge send.
var Openers = []Opener{
	zoho.Open,
	hubspot.Open,
	bitrix24.Open,
	pipedrive.Open,
}

// Opener opens a CRM as the environment configures it.
type Opener = func(ingest.Setup) (*ingest.CRM, error)
