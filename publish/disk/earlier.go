package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// earlierIndex is an index that the server wrote while it ran or when it closed, of messages that follow each other. What was stored
// since then is in its last block and in newer ones.
type earlierIndex struct {
	written     time.Time
	first, last uint64       // sequences of the stream
	blocks      []blockState // without checksums, but of the last
	subjects    map[string]*subjectState
}

// writtenBack is the age from which a finished block is certain to be on the disk, even if nobody has synced it: Linux writes what is
// older than 30 s, and looks every 5 s (vm.dirty_expire_centisecs, vm.dirty_writeback_centisecs).
const writtenBack = 40 * time.Second

// readEarlier reads the index of a stream. It is errUnindexed if there is none, it is damaged, or it is of more than messages that
// follow each other.
func readEarlier(folder, stream string) (earlierIndex, error) {
	path := filepath.Join(folder, stateFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !isWhole(text, stream) {
		return earlierIndex{}, errUnindexed
	}
	if err != nil {
		return earlierIndex{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return earlierIndex{}, err
	}
	x := earlierIndex{written: info.ModTime()}
	rest := fields{text: text[2 : len(text)-checksumSize]}
	messages, _ := rest.number(), rest.number() // and bytes
	x.first = rest.number()
	base := rest.time()
	x.last = rest.number()
	_ = rest.time()
	counted := x.readSubjects(&rest)
	plain := x.readBlocks(&rest, base)
	if rest.failed || !plain || messages == 0 || messages != counted || messages != x.last-x.first+1 {
		return earlierIndex{}, errUnindexed
	}
	return x, nil
}

// isWhole reports whether a text is an index in the newest known version and ends with its own checksum.
func isWhole(text []byte, stream string) bool {
	end := len(text) - checksumSize
	if end < 2 || text[0] != stateMagic || text[1] != stateVersion {
		return false
	}
	sum, err := indexSum(text[:end:end], stream)
	return err == nil && bytes.Equal(sum, text[end:])
}

// readSubjects reads what the index says of subjects, and returns how many messages they have.
func (x *earlierIndex) readSubjects(rest *fields) (messages uint64) {
	n := rest.number()
	if n > subjectsMost {
		rest.failed = true
		return 0
	}
	x.subjects = make(map[string]*subjectState, n)
	for range n {
		name := string(rest.take(rest.number()))
		of := &subjectState{messages: rest.number(), first: int(rest.number()), last: int(rest.number())}
		x.subjects[name] = of
		messages += of.messages
	}
	return messages
}

// readBlocks reads what the index says of blocks, and reports whether they hold nothing but messages that follow each other.
func (x *earlierIndex) readBlocks(rest *fields, base int64) bool {
	next := x.first
	for n := rest.number(); n > 0 && !rest.failed; n-- {
		b := blockState{number: int(rest.number()), bytes: rest.number(), first: rest.number(), firstAt: rest.time() + base, last: rest.number(), lastAt: rest.time() + base}
		deleted, expiring, scheduled := rest.number(), rest.number(), rest.number()
		if max(deleted, expiring, scheduled) != 0 || b.first != next || b.last < b.first {
			return false
		}
		next = b.last + 1
		x.blocks = append(x.blocks, b)
	}
	if len(x.blocks) == 0 || next != x.last+1 {
		return false
	}
	newest := &x.blocks[len(x.blocks)-1]
	number := rest.number()
	copy(newest.checksum[:], rest.take(checksumSize))
	return number == uint64(newest.number) && len(rest.text) == 0
}

// resume returns the state of a stream's blocks. It reads those which may have changed since the index was written, and takes what
// the index says of the others. It is errUnindexed if the index and the blocks do not fit.
func (x earlierIndex) resume(folder, stream string, numbers []int) ([]blockState, map[string]*subjectState, error) {
	newest := len(x.blocks) - 1
	if len(numbers) <= newest {
		return nil, nil, errUnindexed
	}
	blocks, unread := make([]blockState, len(numbers)), []int{}
	for i, number := range numbers {
		if i <= newest && number != x.blocks[i].number {
			return nil, nil, errUnindexed // the limit has dropped a block since then, whose subjects are not known
		}
		if i >= newest || !x.isFinished(folder, x.blocks[i]) {
			unread = append(unread, number)
		} else {
			blocks[i] = x.blocks[i]
		}
	}
	read, subjects, err := scanBlocks(scanner{folder: folder, stream: stream, from: x.first, known: x.last, checksum: x.blocks[newest].checksum}, unread)
	if err != nil {
		return nil, nil, err
	}
	for _, b := range read {
		i := slices.Index(numbers, b.number)
		if i <= newest && !x.blocks[i].begins(b, i < newest) {
			return nil, nil, errUnindexed
		}
		blocks[i] = b
	}
	addSubjects(x.subjects, subjects)
	return blocks, x.subjects, nil
}

// isFinished reports whether a block is as the index says: of that size, so that it has neither notes of deletions nor dropped or erased
// messages in it, and last changed long before the index was written.
func (x earlierIndex) isFinished(folder string, b blockState) bool {
	info, err := os.Stat(filepath.Join(folder, blockName(b.number)))
	return err == nil && uint64(info.Size()) == b.bytes && info.ModTime().Before(x.written.Add(-writtenBack))
}

// begins reports whether a block that was read is one that an index knows, or, unless that was finished, a later state of it.
func (b blockState) begins(read blockState, finished bool) bool {
	if finished {
		read.checksum = b.checksum
		return read == b
	}
	return read.first == b.first && read.firstAt == b.firstAt && read.last >= b.last
}

// fields reads the numbers of an index one after the other.
type fields struct {
	text   []byte
	failed bool // there were too few
}

func (f *fields) number() uint64 {
	number, n := binary.Uvarint(f.text)
	f.take(uint64(max(n, 0)))
	f.failed = f.failed || n <= 0
	return number
}

func (f *fields) time() int64 {
	at, n := binary.Varint(f.text)
	f.take(uint64(max(n, 0)))
	f.failed = f.failed || n <= 0
	return at
}

// take returns the next n bytes.
func (f *fields) take(n uint64) []byte {
	if n > uint64(len(f.text)) {
		f.failed, f.text = true, nil
		return nil
	}
	taken := f.text[:n]
	f.text = f.text[n:]
	return taken
}
