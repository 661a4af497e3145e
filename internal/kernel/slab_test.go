package kernel

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"unsafe"

	"jamba/internal/kernel/par"
)

// TestSlab asserts that pieces are zeroes, begin at lines of the cache and share no byte.
func TestSlab(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 29))
	var s Slab
	var pieces [][]byte
	for range 200 {
		n := r.IntN(1 << r.IntN(22))
		if r.IntN(50) == 0 {
			n = maxSlab/4 - 1 + r.IntN(3)
		}
		b := s.Bytes(n)
		if len(b) != n || cap(b) != n {
			t.Fatalf("%d bytes of %d, room for %d", len(b), n, cap(b))
		}
		if n > 0 && uintptr(unsafe.Pointer(&b[0]))%partAlignment != 0 {
			t.Fatalf("a piece of %d bytes does not begin at a line", n)
		}
		for _, v := range b {
			if v != 0 {
				t.Fatal("a piece is not zero, or shares bytes with another")
			}
		}
		for i := range b {
			b[i] = 1
		}
		pieces = append(pieces, b)
	}
	for n := range 100 {
		f := s.Floats(n)
		if len(f) != n || cap(f) != n {
			t.Fatalf("%d floats of %d, room for %d", len(f), n, cap(f))
		}
		for i := range f {
			f[i] = 2
		}
	}
	for _, b := range pieces {
		for _, v := range b {
			if v != 1 {
				t.Fatal("a piece was written over")
			}
		}
	}
}

// TestSlabCopy asserts that a copy is one, in parts of any number of threads.
func TestSlabCopy(t *testing.T) {
	defer par.SetThreads(0)
	r := rand.New(rand.NewPCG(8, 29))
	for _, n := range []int{1, copyGrain - 1, copyGrain, 2*copyGrain + 1, 13*copyGrain + 7} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		for _, threads := range []int{1, 2, 3} {
			par.SetThreads(threads)
			if to := new(Slab).copy(b); !bytes.Equal(to, b) {
				t.Errorf("%d bytes, %d threads: another copy", n, threads)
			}
		}
	}
}
