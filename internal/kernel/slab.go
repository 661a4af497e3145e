package kernel

import (
	"slices"
	"unsafe"

	"jamba/internal/kernel/par"
)

// Slab is memory for many pieces that live as long as the longest of them, in huge pages where the system has some: the
// processor finds few of those again and again, and decoding reads all weights for each token, and all that sequences
// remember. On a virtual machine with weights in pages of 4 KiB it took a fifth longer. The zero Slab is ready.
type Slab struct {
	free [][]byte // what is left of the pieces of memory that were made, the largest last
	made int
}

// minSlab and maxSlab bound how much memory is made at a time. It is an eighth of what was made before, in multiples of the piece that
// had no room, or for a large piece what that takes, so that little more is made than is used. Go begins pieces of minSlab and more at a
// page.
const (
	minSlab = 64 << 10
	maxSlab = 64 << 20
	maxFree = 16 // remainders that are kept

	copyGrain = 1 << 18 // bytes of a copy that are worth waking a thread for
)

// Bytes returns n bytes of zeroes, which begin at a line of the cache.
func (s *Slab) Bytes(n int) []byte {
	if n == 0 {
		return nil
	}
	i := slices.IndexFunc(s.free, func(b []byte) bool { return len(b) >= n })
	if i < 0 {
		size := max(n, minSlab)
		if fit := alignPart(size); fit < maxSlab/4 {
			size = fit * max(1, min(s.made/8, maxSlab)/fit)
		}
		s.made += size
		i = len(s.free)
		s.free = append(s.free, huge(size))
	}
	b := s.free[i][:n:n]
	s.free[i] = s.free[i][min(alignPart(n), len(s.free[i])):]
	s.tidy()
	return b
}

// copy returns a copy of b, made by all cores: its pages are touched for the first time.
func (s *Slab) copy(b []byte) []byte {
	to := s.Bytes(len(b))
	par.For(len(b), copyGrain, func(lo, hi int) { copy(to[lo:hi], b[lo:hi]) })
	return to
}

// tidy drops what is too little to be of use.
func (s *Slab) tidy() {
	s.free = slices.DeleteFunc(s.free, func(b []byte) bool { return len(b) == 0 })
	slices.SortStableFunc(s.free, func(a, b []byte) int { return len(a) - len(b) })
	s.free = slices.Delete(s.free, 0, max(0, len(s.free)-maxFree))
}

// Floats is Bytes for n numbers.
func (s *Slab) Floats(n int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(s.Bytes(4*n)))), n)
}

func huge(n int) []byte {
	b := make([]byte, n)
	HugePages(b)
	return b
}
