package main

import (
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
)

// crms opens the CRMs that the bridge knows. The first is the one of examples, and of a plain crm-bridge send.
var crms = []opener{
	zoho.Open,
	bitrix24.Open,
}

type opener = func(ingest.Setup) (*ingest.CRM, error)
