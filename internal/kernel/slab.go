package kernel

import "unsafe"

// Slab is memory for many pieces that live as long as the longest of them, in huge pages where the system has some: the
// processor finds few of those again and again, and decoding reads all weights for each token, and all that sequences
// remember. On a virtual machine with weights in pages of 4 KiB it took a fifth longer. The zero Slab is ready.
type Slab struct {
	free []byte
	made int
}

// minSlab and maxSlab bound how much memory is made at a time for small pieces. It is an eighth of what was made before, so that
// no more than that is of no use. Go begins pieces of minSlab and more at a page.
const (
	minSlab = 64 << 10
	maxSlab = 64 << 20
)

// Bytes returns n bytes of zeroes, which begin at a line of the cache.
func (s *Slab) Bytes(n int) []byte {
	if n >= maxSlab/4 {
		s.made += n
		return huge(n)
	}
	if n > len(s.free) {
		s.free = huge(max(n, minSlab, min(s.made/8, maxSlab)))
		s.made += len(s.free)
	}
	b := s.free[:n:n]
	s.free = s.free[min(alignPart(n), len(s.free)):]
	return b
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
