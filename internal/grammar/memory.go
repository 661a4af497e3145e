package grammar

import (
	"errors"
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

const page = 1 << 16 // of a module's memory

// ErrBusy is the error of a format for which there is no memory beside those in use.
var ErrBusy = errors.New("too many formats are in use, try again later")

// Errors of what a grammar may cost.
var (
	errMemory = errors.New("takes too much memory")
	errTime   = errors.New("takes too long")
)

// budget bounds the memory of all instances together.
type budget struct {
	one, all int64 // bytes that one instance and all may have
	used     atomic.Int64
}

// memory is that of an instance.
type memory struct {
	budget  *budget
	bytes   []byte
	refused bool
}

// Allocate implements experimental.MemoryAllocator.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate implements experimental.LinearMemory. What an instance begins with, about 1 MB, is not refused.
func (m *memory) Reallocate(size uint64) []byte {
	old := len(m.bytes)
	more := int64(size) - int64(old)
	used := m.budget.used.Add(more)
	if old > 0 && (int64(size) > m.budget.one || used > m.budget.all) {
		m.budget.used.Add(-more)
		m.refused = true
		return nil
	}
	if int(size) > cap(m.bytes) {
		grown := make([]byte, size, max(size, uint64(cap(m.bytes))*5/4))
		copy(grown, m.bytes)
		m.bytes = grown
	}
	m.bytes = m.bytes[:size]
	return m.bytes
}

// Free implements experimental.LinearMemory.
func (m *memory) Free() {
	m.budget.used.Add(-int64(len(m.bytes)))
	m.bytes = nil
}
