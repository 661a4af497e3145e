package state

import (
	"errors"
	"fmt"
	"sync"

	"jamba/internal/kernel"
	"jamba/tensor"
)

// ErrFull is what a reservation fails with, wrapped, if it would exceed the arena's limit.
var ErrFull = errors.New("no memory is left for more of the sequence's state")

// Arena is the memory of many sequences with the same layers. What is in use is counted exactly and never exceeds the
// limit. It is safe for concurrent use; the States in it are each for one goroutine at a time.
type Arena struct {
	specs    []Spec
	groups   []group
	slotSize int // floats
	mamba    []mambaAt

	mu    sync.Mutex
	limit int64 // bytes; 0: none
	used  int64
	slab  kernel.Slab // of all pages and slots
	pages [][]*page   // free ones of each group
	slots []*slot     // free ones
	ids   int         // the last page's
	// The last slot's, below zero.
	slotIDs int
}

// mambaAt says where a layer's states lie in a slot.
type mambaAt struct{ conv, h, end int }

// page is kernel.PageLen positions of the keys and values of a group's layers.
type page struct {
	id     int
	refs   int
	group  int
	layers []kernel.Page // one for each layer of the group
}

// slot is the states of all Mamba layers at one position of a sequence.
type slot struct {
	id   int
	refs int
	data []float32
}

// NewArena returns an arena for sequences with these layers, of at most limit bytes; 0 means no limit.
func NewArena(specs []Spec, limit int64) *Arena {
	a := &Arena{specs: specs, groups: groups(specs), limit: limit, mamba: make([]mambaAt, len(specs))}
	a.pages = make([][]*page, len(a.groups))
	for i, s := range specs {
		if s.KVHeads > 0 {
			continue
		}
		at := mambaAt{conv: a.slotSize, h: a.slotSize + (s.DConv-1)*s.DInner}
		at.end = at.h + kernel.ScanPanels(s.DInner)*kernel.ScanPanel*s.DState
		a.mamba[i], a.slotSize = at, at.end
	}
	return a
}

// Specs returns what the layers remember. It is not to be changed.
func (a *Arena) Specs() []Spec { return a.specs }

// Used returns the bytes in use by States.
func (a *Arena) Used() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used
}

// Limit returns the most bytes that may be in use, 0 if there is no limit.
func (a *Arena) Limit() int64 { return a.limit }

// take takes pages and slots, all of them or, with an error that wraps ErrFull, none. Their contents are left over from
// others.
func (a *Arena) take(pages []*page, groups []int, slots []*slot) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	need := int64(len(slots)) * a.slotBytes()
	for _, g := range groups {
		need += a.groups[g].size()
	}
	if a.limit > 0 && need > a.limit-a.used {
		return fmt.Errorf("%w: %.1f MiB are needed, %.1f of %.1f MiB are free", ErrFull, mib(need), mib(a.limit-a.used), mib(a.limit))
	}
	a.used += need
	for i, g := range groups {
		if n := len(a.pages[g]); n > 0 {
			pages[i], a.pages[g] = a.pages[g][n-1], a.pages[g][:n-1]
		} else {
			pages[i] = a.newPage(g)
		}
		pages[i].refs = 1
	}
	for i := range slots {
		if n := len(a.slots); n > 0 {
			slots[i], a.slots = a.slots[n-1], a.slots[:n-1]
		} else {
			a.slotIDs--
			slots[i] = &slot{id: a.slotIDs, data: a.slab.Floats(a.slotSize)}
		}
		slots[i].refs = 1
	}
	return nil
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

func (a *Arena) slotBytes() int64 { return 4 * int64(a.slotSize) }

// newPage makes a page of a group: one piece of memory, in which the layers' keys and values lie one after the other. It is never given
// back to the system: the arena's next page takes it.
func (a *Arena) newPage(g int) *page {
	group := &a.groups[g]
	a.ids++
	p := &page{id: a.ids, group: g, layers: make([]kernel.Page, len(group.layers))}
	floats, raw := a.slab.Floats(group.floats), a.slab.Bytes(group.bytes)
	for i, layer := range group.layers {
		s := &a.specs[layer]
		n := int(kernel.PageLen * s.KVBytes() / 2)
		if s.DType == tensor.F32 {
			n /= 4
			p.layers[i] = kernel.Page{K: floats[:n:n], V: floats[n : 2*n : 2*n]}
			floats = floats[2*n:]
		} else {
			p.layers[i] = kernel.Page{RawK: raw[:n:n], RawV: raw[n : 2*n : 2*n]}
			raw = raw[2*n:]
		}
	}
	return p
}

// retain counts a further reference to pages, some of which may be nil, and to a slot that may be nil.
func (a *Arena) retain(pages []*page, s *slot) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range pages {
		if p != nil {
			p.refs++
		}
	}
	if s != nil {
		s.refs++
	}
}

// release takes back references.
func (a *Arena) release(pages []*page, slots ...*slot) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range pages {
		if p == nil {
			continue
		}
		if p.refs--; p.refs == 0 {
			a.used -= a.groups[p.group].size()
			a.pages[p.group] = append(a.pages[p.group], p)
		}
	}
	for _, s := range slots {
		if s == nil {
			continue
		}
		if s.refs--; s.refs == 0 {
			a.used -= a.slotBytes()
			a.slots = append(a.slots, s)
		}
	}
}

// shared reports whether others refer to a page.
func (a *Arena) shared(p *page) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return p.refs > 1
}

// copyFrom copies the contents of a page of the same group.
func (p *page) copyFrom(q *page) {
	for i := range p.layers {
		to, from := &p.layers[i], &q.layers[i]
		copy(to.K, from.K)
		copy(to.V, from.V)
		copy(to.RawK, from.RawK)
		copy(to.RawV, from.RawV)
	}
}
