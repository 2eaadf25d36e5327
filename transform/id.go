package transform

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/google/uuid"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// ID returns the id of a change's event. It is repeatable, base64url of a SHA-256, if the CRM marks its changes; else each call returns
// a new UUIDv7, because two equal edits are two events.
func ID(c ingest.Change) (string, error) {
	if c.Mark == "" && c.GivenID != "" {
		return c.GivenID, nil
	}
	if c.Mark == "" {
		fresh, err := uuid.NewV7()
		return fresh.String(), err
	}
	text := make([]byte, 0, 256)
	text = appendPart(text, c.Provider, c.Account, c.Channel, c.Module, c.Operation)
	text = binary.BigEndian.AppendUint64(text, uint64(len(c.IDs)))
	text = appendPart(text, c.IDs...)
	text = appendPart(text, c.Mark)
	sum := sha256.Sum256(text)
	return string(base64.RawURLEncoding.AppendEncode(text[:0], sum[:])), nil
}

// appendPart appends each part behind its length, so that no two lists of parts are equal.
func appendPart(to []byte, parts ...string) []byte {
	for _, part := range parts {
		to = binary.BigEndian.AppendUint64(to, uint64(len(part)))
		to = append(to, part...)
	}
	return to
}
