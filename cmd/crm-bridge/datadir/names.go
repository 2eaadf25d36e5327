package datadir

// OwnerSecret is the file in the data folder that holds the password of the bridge and its commands.
const OwnerSecret = "nats-password"

// AdminSecret is the file in the data folder that holds the token that authenticates a command at the admin address.
const AdminSecret = "admin-token"

// StateSecret is the file in the data folder that holds the key of secret state, where no BRIDGE_STATE_KEY is set.
const StateSecret = "state-key"

// JournalSecret is the file in the data folder that holds the id of its journal among those of other folders.
const JournalSecret = "journal-id"
