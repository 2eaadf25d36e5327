package disk

import (
	"os"
	"time"
)

// lookupEvery is how often names are looked up at least: open files do not show that a volume was unmounted, or a folder above moved.
const lookupEvery = 100 * time.Millisecond

// names knows from an open folder and an open block in it whether the folder may have new entries or another name.
type names struct {
	folder *os.File  // nil: it is not open
	state  inode     // of the folder, before names were last looked up
	noted  bool      // the state was noted
	known  bool      // all names were looked up since, and the state is certain to differ after a change
	at     time.Time // when names were last looked up
}

// same reports whether a block and all names around it are certainly as they were when they were last looked up.
func (n *names) same(block *os.File) bool {
	if !n.known || time.Since(n.at) >= lookupEvery {
		return false
	}
	of, ok := inodeOf(block)
	if !ok || of.links == 0 {
		return false
	}
	now, ok := inodeOf(n.folder)
	return ok && now == n.state
}

// begin notes the folder's state before names are looked up, now. A folder that cannot be opened is not known.
func (n *names) begin(path string, now time.Time) {
	n.noted, n.known, n.at = false, false, now
	if n.folder == nil {
		folder, err := os.Open(path)
		if err != nil {
			return
		}
		n.folder = folder
	}
	n.state, n.noted = inodeOf(n.folder)
}

// end notes that all names were looked up in a folder, as info describes it.
func (n *names) end(info os.FileInfo) {
	if n.folder == nil {
		return
	}
	opened, err := n.folder.Stat()
	if err != nil || !os.SameFile(opened, info) {
		n.close()
		return
	}
	n.known = n.noted && n.state.settled(n.at)
}

func (n *names) close() {
	if n.folder != nil {
		_ = n.folder.Close() // nothing was written through it
	}
	n.folder, n.known = nil, false
}
