package config

// Stamped by the linker: -ldflags "-X github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config.Release=… -X ….Commit=…".
var (
	Release = "0.1.0-dev"
	Commit  = ""
)
