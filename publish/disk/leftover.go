package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Leftover is a stream in the folder of a server that is not running.
type Leftover struct {
	Stream   string
	Folder   string
	Messages uint64
	Known    bool // Messages is exact: the server closed the stream properly
}

// Leftovers returns the streams of the store in dir whose names end with suffix and that hold or may hold messages. It writes nothing.
func Leftovers(dir, suffix string) ([]Leftover, error) {
	streams := filepath.Join(dir, "jetstream", "$G", "streams")
	entries, err := os.ReadDir(streams)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for streams: %w", err)
	}
	var left []Leftover
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), suffix) {
			continue
		}
		one := Leftover{Stream: entry.Name(), Folder: filepath.Join(streams, entry.Name())}
		if one.Messages, one.Known, err = stored(filepath.Join(one.Folder, "msgs")); err != nil {
			return left, fmt.Errorf("stream %s: %w", one.Stream, err)
		}
		if one.Messages > 0 || !one.Known {
			left = append(left, one)
		}
	}
	return left, nil
}

// The first bytes of the file in which a closed store keeps its state (nats-server 2.15, server/filestore.go).
const (
	stateFile    = "index.db"
	stateMagic   = 11
	stateVersion = 4 // the newest known
)

// stored returns how many messages a stream's msgs folder holds. known is false if the state is older than a block of messages, as
// after a kill, or missing although there are blocks.
func stored(msgs string) (messages uint64, known bool, err error) {
	file, err := os.Open(filepath.Join(msgs, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		blocks, err := filepath.Glob(filepath.Join(msgs, "*.blk"))
		return 0, len(blocks) == 0, err
	}
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = file.Close() }()
	head := make([]byte, 2+binary.MaxVarintLen64)
	n, _ := io.ReadFull(file, head) // a state may be shorter
	if n < 3 || head[0] != stateMagic || head[1] < 1 || head[1] > stateVersion {
		return 0, false, nil
	}
	messages, size := binary.Uvarint(head[2:n])
	info, err := file.Stat()
	if err != nil || size <= 0 {
		return 0, false, err
	}
	blocks, err := filepath.Glob(filepath.Join(msgs, "*.blk"))
	if err != nil {
		return 0, false, err
	}
	for _, block := range blocks {
		if written, err := os.Stat(block); err == nil && written.ModTime().After(info.ModTime()) {
			return messages, false, nil
		}
	}
	return messages, true, nil
}
