package disk

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/minio/highwayhash"
)

// blockState is what an index says of a block whose messages follow each other without a gap.
type blockState struct {
	number          int
	bytes           uint64 // of its records
	first, last     uint64 // sequences
	firstAt, lastAt int64  // when they were stored, in Unix nanoseconds
	checksum        [checksumSize]byte
}

// subjectState is what an index says of a subject.
type subjectState struct {
	messages    uint64
	first, last int // blocks
}

// checksumSize is the size of the checksum that ends each record of a block, and of the one that ends an index.
const checksumSize = highwayhash.Size64

// isCurrent reports whether the index of a stream was written after its last record. The newest block is given. An index ends with
// the checksum of the last record that it knows, and its own.
func isCurrent(folder string, newest int) bool {
	index, err := tail(filepath.Join(folder, stateFile), 2*checksumSize)
	if err != nil {
		return false
	}
	last, err := tail(filepath.Join(folder, blockName(newest)), checksumSize)
	return err == nil && slices.Equal(index[:checksumSize], last)
}

// remembers returns the last sequence of which the index of a stream knows, which may be beyond what its blocks hold after a power cut;
// 0: there is no index. It is not checked whether the index is damaged.
func remembers(folder string) (last uint64, err error) {
	index, err := os.ReadFile(filepath.Join(folder, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil || len(index) < 2 || index[0] != stateMagic {
		return 0, err
	}
	rest := index[2:]
	for range 5 { // messages, bytes, the first sequence and its time, and the last; a time takes as many bytes as a number
		number, n := binary.Uvarint(rest)
		if n <= 0 {
			return 0, nil
		}
		last, rest = number, rest[n:]
	}
	return last, nil
}

// tail returns the last n bytes of a file.
func tail(path string, n int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	end := make([]byte, n)
	_, err = file.ReadAt(end, info.Size()-n)
	return end, err
}

// writeIndex writes the index of a stream as the server does when it closes one (nats-server 2.15, _writeFullState).
func writeIndex(folder, stream string, blocks []blockState, subjects map[string]*subjectState) error {
	first, last, bytes := blocks[0], blocks[len(blocks)-1], uint64(0)
	for _, b := range blocks {
		bytes += b.bytes
	}
	out := []byte{stateMagic, stateVersion}
	out = binary.AppendUvarint(out, last.last-first.first+1)
	out = binary.AppendUvarint(out, bytes)
	out = binary.AppendUvarint(out, first.first)
	out = binary.AppendVarint(out, first.firstAt)
	out = binary.AppendUvarint(out, last.last)
	out = binary.AppendVarint(out, last.lastAt)
	out = binary.AppendUvarint(out, uint64(len(subjects)))
	for _, subject := range slices.Sorted(maps.Keys(subjects)) {
		of := subjects[subject]
		out = binary.AppendUvarint(out, uint64(len(subject)))
		out = append(out, subject...)
		out = binary.AppendUvarint(out, of.messages)
		out = binary.AppendUvarint(out, uint64(of.first))
		out = binary.AppendUvarint(out, uint64(of.last))
	}
	out = binary.AppendUvarint(out, uint64(len(blocks)))
	for _, b := range blocks {
		out = binary.AppendUvarint(out, uint64(b.number))
		out = binary.AppendUvarint(out, b.bytes)
		out = binary.AppendUvarint(out, b.first)
		out = binary.AppendVarint(out, b.firstAt-first.firstAt)
		out = binary.AppendUvarint(out, b.last)
		out = binary.AppendVarint(out, b.lastAt-first.firstAt)
		out = append(out, 0, 0, 0) // deleted messages, those with a time to live, and scheduled ones
	}
	out = binary.AppendUvarint(out, uint64(last.number))
	out = append(out, last.checksum[:]...)
	sum, err := indexSum(out, stream)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, stateFile), append(out, sum...), 0o600) // if it is cut off, its checksum says so
}

// indexSum returns the checksum with which an index ends.
func indexSum(text []byte, stream string) ([]byte, error) {
	key := sha256.Sum256([]byte(stream))
	hash, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return nil, err
	}
	_, _ = hash.Write(text) // a hash takes everything
	return hash.Sum(nil), nil
}
