package main

// Stamped by the linker: -ldflags "-X github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config.Release=… -X ….Commit=…".
var (
	release = "0.1.0-dev"
	commit  = ""
)
