package transfer

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/crm-bridge/crm-bridge/publish"
)

// sum is the digest of what a copy has in common with its original: subject, id, headers and body.
func sum(m publish.Stored) (sum [sha256.Size]byte) {
	hash := sha256.New()
	part := func(text string) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(text)))
		hash.Write(length[:])
		hash.Write([]byte(text))
	}
	part(m.Subject)
	part(m.MessageID())
	header := m.OwnHeaders()
	for _, name := range slices.Sorted(maps.Keys(header)) {
		part(name)
		for _, value := range header[name] {
			part(value)
		}
	}
	part(string(m.Data))
	hash.Sum(sum[:0])
	return sum
}
