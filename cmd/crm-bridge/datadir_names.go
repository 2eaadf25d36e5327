package main

// ownerSecret is the file in the data folder that holds the password of the bridge and its commands.
const ownerSecret = "nats-password"

// adminSecret is the file in the data folder that holds what proves a command to the admin address.
const adminSecret = "admin-token"

// stateSecret is the file in the data folder that holds the key of secret state, where no BRIDGE_STATE_KEY is set.
const stateSecret = "state-key"

// journalSecret is the file in the data folder that holds the id of its journal among those of other folders.
const journalSecret = "journal-id"
