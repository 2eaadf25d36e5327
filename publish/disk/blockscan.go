package disk

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/minio/highwayhash"
)

// errUnindexed says that a block has more in it than messages that follow each other: deletions, gaps, or damage.
var errUnindexed = errors.New("the block has more in it than messages that follow each other")

// scanner reads blocks for an index, one after the other, and verifies the checksum of every record. It holds no more of a block
// than scanWindow, or one record.
type scanner struct {
	folder, stream string
	from           uint64                   // sequence of the first message: those before it were dropped at the limit
	known          uint64                   // sequence up to which the messages of subjects were counted before
	checksum       [checksumSize]byte       // of the message of that sequence
	subjects       map[string]*subjectState // of all other messages that it has read
	window         []byte
}

// scanWindow is how much of a block is read at once.
const scanWindow = 256 << 10

// scan returns the state of a block.
func (s *scanner) scan(number int) (blockState, error) {
	state := blockState{number: number}
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", s.stream, number))
	digest, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return state, err
	}
	file, err := os.Open(filepath.Join(s.folder, blockName(number)))
	if err != nil {
		return state, err
	}
	defer func() { _ = file.Close() }()
	if s.window == nil {
		s.window = make([]byte, scanWindow)
	}
	held := 0
	for {
		n, err := io.ReadFull(file, s.window[held:])
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return state, err
		}
		held += n
		used, failed := s.records(s.window[:held], digest, &state)
		if failed != nil {
			return state, failed
		}
		if err != nil { // the end of the file
			if used != held || state.last == 0 {
				return state, errUnindexed
			}
			return state, nil
		}
		if held = copy(s.window, s.window[used:held]); used == 0 { // the next record is larger than the window
			s.window = append(s.window, make([]byte, len(s.window))...)
		}
	}
}

// records enters the whole records at the beginning of a text into the state, and returns how many bytes they take.
func (s *scanner) records(text []byte, digest hash.Hash, state *blockState) (used int, err error) {
	for {
		rest := text[used:]
		if len(rest) < recordHeader {
			return used, nil
		}
		size := int(binary.LittleEndian.Uint32(rest) &^ withHeaders)
		subject := int(binary.LittleEndian.Uint16(rest[20:]))
		data := recordHeader + subject
		if binary.LittleEndian.Uint32(rest)&withHeaders != 0 {
			data += 4 // the length of the headers, which the checksum leaves out
		}
		if size < data+checksumSize || size > recordMost {
			return used, errUnindexed
		}
		if size > len(rest) {
			return used, nil
		}
		record := rest[:size]
		digest.Reset()
		_, _ = digest.Write(record[4:20])
		_, _ = digest.Write(record[recordHeader : recordHeader+subject])
		_, _ = digest.Write(record[data : size-checksumSize])
		if !bytes.Equal(digest.Sum(state.checksum[:0]), record[size-checksumSize:]) {
			return used, errUnindexed
		}
		if err := s.enter(record, subject, state); err != nil {
			return used, err
		}
		used += size
	}
}

// recordMost is the size from which the server takes a record for damaged.
const recordMost = 32 << 20

// enter enters a record, whose checksum is right, into the state.
func (s *scanner) enter(record []byte, subject int, state *blockState) error {
	sequence, at := binary.LittleEndian.Uint64(record[4:]), int64(binary.LittleEndian.Uint64(record[12:]))
	if sequence == 0 || sequence&noMessage != 0 || state.last != 0 && sequence != state.last+1 || subject == 0 {
		return errUnindexed
	}
	if sequence < s.from {
		return nil
	}
	if state.last == 0 {
		state.first, state.firstAt = sequence, at
	}
	state.last, state.lastAt = sequence, at
	state.bytes += uint64(len(record))
	if sequence == s.known && state.checksum != s.checksum {
		return errUnindexed
	}
	if sequence <= s.known {
		return nil
	}
	name := record[recordHeader : recordHeader+subject]
	of := s.subjects[string(name)]
	if of == nil {
		if len(s.subjects) >= subjectsMost {
			return errUnindexed
		}
		of = &subjectState{first: state.number, last: state.number}
		s.subjects[string(name)] = of
	}
	of.messages++
	of.first, of.last = min(of.first, state.number), max(of.last, state.number)
	return nil
}

// subjectsMost bounds the memory for subjects: with more the server does not write an index either, until it closes.
const subjectsMost = 1_000_000
