package disk

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/minio/highwayhash"
)

// Message is a message in a block, as it was written: the server may have deleted it since.
type Message struct {
	Sequence uint64
	Subject  string
	Header   []byte // as it is on the wire; nil: none
	Data     []byte
}

// scrubNote is the file in a server's folder that says what is being overwritten.
const scrubNote = "overwriting"

// overwriting is a record of a block that takes the place of another one of the same length.
type overwriting struct {
	Stream string `json:"stream"`
	Block  int    `json:"block"`
	Offset int64  `json:"offset"`
	Record []byte `json:"record"`
}

// Scrub overwrites messages of a stream of the server whose folder is dir, which may run, and returns how many. The bytes of a message that
// the server has deleted stay in its block until the server removes or compacts that. deleted reports whether a message is deleted, and
// is to be overwritten.
//
// In its place comes the record that the server itself writes for an erased message. A power cut in the middle of it would leave a record
// with a wrong checksum, at which the server would cut off the block: so the record is noted before, and FinishScrub writes it again.
func Scrub(dir, stream string, deleted func(Message) (bool, error)) (n int, err error) {
	b := blockFiles{folder: blocksOf(dir, stream), index: -1}
	numbers, err := b.newer()
	for _, number := range numbers {
		if err != nil {
			break
		}
		var of int
		of, err = scrubBlock(dir, stream, number, deleted)
		n += of
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return n, fmt.Errorf("overwrite deleted messages of stream %s: %w", stream, err)
	}
	return n, nil
}

func scrubBlock(dir, stream string, number int, deleted func(Message) (bool, error)) (n int, err error) {
	path := filepath.Join(blocksOf(dir, stream), blockName(number))
	block, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // the server has removed it meanwhile
	}
	if err != nil {
		return 0, err
	}
	for at := 0; at+recordHeader <= len(block); {
		size := int(binary.LittleEndian.Uint32(block[at:]) &^ withHeaders)
		if size < recordHeader+checksumSize || size > recordMost {
			return n, fmt.Errorf("%s is not in the block format that this version knows", path)
		}
		if at+size > len(block) {
			return n, nil // the server is writing it
		}
		record := block[at : at+size]
		if message, ok := messageIn(record); ok {
			dead, err := deleted(message)
			if err == nil && dead {
				err = overwrite(dir, overwriting{stream, number, int64(at), nil}, record)
				n++
			}
			if err != nil {
				return n, err
			}
		}
		at += size
	}
	return n, nil
}

// messageIn reads a record; ok is false if it is of no message.
func messageIn(record []byte) (m Message, ok bool) {
	m.Sequence = binary.LittleEndian.Uint64(record[4:])
	subject, body := int(binary.LittleEndian.Uint16(record[20:])), record[recordHeader:len(record)-checksumSize]
	if m.Sequence&noMessage != 0 || m.Sequence == 0 || subject > len(body) {
		return m, false
	}
	m.Subject, body = string(body[:subject]), body[subject:]
	if binary.LittleEndian.Uint32(record)&withHeaders != 0 {
		if len(body) < 4 || int(binary.LittleEndian.Uint32(body)) > len(body)-4 {
			return m, false
		}
		header := int(binary.LittleEndian.Uint32(body))
		m.Header, body = body[4:4+header], body[4+header:]
	}
	m.Data = body
	return m, true
}

// erased returns the record that the server writes for an erased message in place of a record of a block.
func erased(stream string, number int, record []byte) ([]byte, error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", stream, number))
	digest, err := highwayhash.New64(key[:])
	if err != nil {
		return nil, err
	}
	with := make([]byte, len(record)-checksumSize, len(record))
	binary.LittleEndian.PutUint32(with, uint32(len(record)))
	binary.LittleEndian.PutUint64(with[4:], binary.LittleEndian.Uint64(record[4:])|erasedMessage)
	_, _ = rand.Read(with[recordHeader:])
	_, _ = digest.Write(with[4:20])
	_, _ = digest.Write(with[recordHeader:])
	return digest.Sum(with), nil
}

// overwrite overwrites a record with that of an erased message.
func overwrite(dir string, o overwriting, record []byte) (err error) {
	if o.Record, err = erased(o.Stream, o.Block, record); err != nil {
		return err
	}
	note, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := WriteDurably(filepath.Join(dir, scrubNote), string(note)); err != nil {
		return err
	}
	return FinishScrub(dir)
}

// FinishScrub finishes what Scrub had begun when the process or the power failed. Call it before a server opens the folder.
func FinishScrub(dir string) error {
	note, err := os.ReadFile(filepath.Join(dir, scrubNote))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var o overwriting
	if err := json.Unmarshal(note, &o); err != nil {
		return fmt.Errorf("%s: %w", scrubNote, err)
	}
	if err := o.write(dir); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, scrubNote)); err != nil {
		return err
	}
	return syncFile(dir, flush)
}

// write writes the record, unless the block is gone or was replaced by another one.
func (o overwriting) write(dir string) (err error) {
	file, err := os.OpenFile(filepath.Join(blocksOf(dir, o.Stream), blockName(o.Block)), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var have [recordHeader]byte
	if _, err := file.ReadAt(have[:], o.Offset); errors.Is(err, io.EOF) {
		return nil // the block is shorter: another one
	} else if err != nil {
		return err
	}
	sequence := func(head []byte) uint64 { return binary.LittleEndian.Uint64(head[4:]) &^ erasedMessage }
	if binary.LittleEndian.Uint32(have[:])&^withHeaders != uint32(len(o.Record)) || sequence(have[:]) != sequence(o.Record) {
		return nil
	}
	if _, err := file.WriteAt(o.Record, o.Offset); err != nil {
		return err
	}
	return flush(file)
}
