package spanverifierprocessor

import (
	"crypto/sha256"
	"sync"
)

// replays remembers the tags that were seen last.
type replays struct {
	mutex sync.Mutex
	seen  map[[sha256.Size]byte]struct{}
	order [][sha256.Size]byte
	next  int
}

func newReplays(limit int) *replays {
	return &replays{seen: map[[sha256.Size]byte]struct{}{}, order: make([][sha256.Size]byte, 0, limit)}
}

// isNew notes a tag, and says whether it had not been seen.
func (r *replays) isNew(tag [sha256.Size]byte) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if _, known := r.seen[tag]; known {
		return false
	}
	r.seen[tag] = struct{}{}
	if len(r.order) < cap(r.order) {
		r.order = append(r.order, tag)
		return true
	}
	delete(r.seen, r.order[r.next])
	r.order[r.next] = tag
	r.next = (r.next + 1) % len(r.order)
	return true
}
