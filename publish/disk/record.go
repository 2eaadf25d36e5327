package disk

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A record of a block begins with its length and its sequence; both contain flag bits (nats-server 2.15, filestore.go).
const (
	recordHeader  = 22
	withHeaders   = uint32(1) << 31
	erasedMessage = uint64(1) << 63
	noMessage     = erasedMessage | uint64(1)<<62 // or the record notes that one of another block is deleted
)

// lastSequence returns the sequence of the last message in a block, deleted or not; 0 if it holds none.
func lastSequence(block *os.File) (uint64, error) {
	info, err := block.Stat()
	if err != nil {
		return 0, err
	}
	content, err := io.ReadAll(io.NewSectionReader(block, 0, info.Size()))
	if err != nil {
		return 0, err
	}
	var last uint64
	for len(content) >= recordHeader {
		size := binary.LittleEndian.Uint32(content) &^ withHeaders
		if size < recordHeader || uint64(size) > uint64(len(content)) {
			return 0, fmt.Errorf("%s is not in the block format that this version knows", block.Name())
		}
		if sequence := binary.LittleEndian.Uint64(content[4:]); sequence&noMessage == 0 {
			last = max(last, sequence)
		}
		content = content[size:]
	}
	return last, nil
}

// CheckLayout verifies that a stream of the server whose folder is dir keeps its last message as a Committer expects: uncompressed, in
// a numbered block, written before it was acknowledged with the given sequence.
func CheckLayout(dir, stream string, message []byte, sequence uint64) error {
	folder := blocksOf(dir, stream)
	blocks, err := filepath.Glob(filepath.Join(folder, "*.blk"))
	if err != nil {
		return err
	}
	for _, block := range blocks {
		if content, err := os.ReadFile(block); err == nil && bytes.Contains(content, message) {
			return checkRecord(block, sequence)
		}
	}
	return fmt.Errorf("an acknowledged message is in none of the %d blocks in %s", len(blocks), folder)
}

// checkRecord verifies that lastSequence reads the sequence of the last message in a block.
func checkRecord(block string, want uint64) error {
	file, err := os.Open(block)
	if err != nil {
		return err
	}
	got, err := lastSequence(file)
	_ = file.Close()
	if err == nil && got != want {
		err = fmt.Errorf("the last message in %s has sequence %d, not %d", block, got, want)
	}
	return err
}

// FirstSequences returns the sequences of the first messages in the blocks of a stream of the server whose folder is dir, in the order of
// the blocks, up to a sequence. It leaves out a block of which that cannot be said.
func FirstSequences(dir, stream string, upto uint64) (firsts []uint64, err error) {
	b := blockFiles{folder: blocksOf(dir, stream), index: -1}
	indexes, err := b.newer()
	if err != nil {
		return nil, err
	}
	for _, index := range indexes {
		first := firstSequence(filepath.Join(b.folder, blockName(index)))
		if first > upto {
			break
		}
		if first > 0 {
			firsts = append(firsts, first)
		}
	}
	return firsts, nil
}

// firstSequence returns the sequence of the first message in a block, deleted or not; 0: it is not known.
func firstSequence(path string) uint64 {
	file, err := os.Open(path)
	if err != nil {
		return 0 // the server has removed it meanwhile
	}
	defer func() { _ = file.Close() }()
	records := bufio.NewReader(file)
	for {
		head, err := records.Peek(recordHeader)
		if err != nil {
			return 0
		}
		if sequence := binary.LittleEndian.Uint64(head[4:]); sequence&noMessage == 0 {
			return sequence
		}
		size := binary.LittleEndian.Uint32(head) &^ withHeaders
		if _, err := records.Discard(int(size)); err != nil || size < recordHeader {
			return 0
		}
	}
}
