module github.com/crm-bridge/crm-bridge/examples/test

go 1.26.6

require github.com/nats-io/nats.go v1.55.0

require (
	github.com/klauspost/compress v1.20.4 // indirect
	github.com/nats-io/nkeys v0.4.17 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	golang.org/x/crypto v0.59.0 // indirect
	golang.org/x/sys v0.50.0 // indirect
)

require github.com/crm-bridge/crm-bridge v0.0.0

replace github.com/crm-bridge/crm-bridge => ../..
