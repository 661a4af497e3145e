package kernel

import (
	"cmp"
	"slices"
	"sync"

	"jamba/internal/kernel/par"
	"jamba/tensor"
)

// coded are weights of BF16 in 12 bits, without loss, since products of few rows of activations are bound by reading. The upper byte of
// a number of BF16 is its sign and seven of the eight bits of its exponent, and those of trained weights lie close together: the 16
// upper bytes that a matrix has most of are codes of four bits, lower bytes lie as they are. A block of columns with another upper byte
// stays as it was. Products have the bits of those in float32.
type coded struct {
	n, k    int
	kernels *codedKernels
	upper   [16]byte // by code, the most frequent first
	blocks  []byte   // of all rows
	start   []uint32 // where each kBlock columns of each row begin, in vectors; and where the last end
}

// codedKernels are a tier's. A block has 2·vector columns. It is a vector of codes and two of lower bytes: byte i of the first of these
// has the lower half of byte i of the codes, that of the second the upper. If the first code is the last there is, plainCode,
// the columns follow as weights of 16 bits instead, four vectors of them.
type codedKernels struct {
	vector int // in bytes
	// encode makes a block of weights of 16 bits and reports whether all have codes, and the first another than plainCode. If not,
	// the block is of no use.
	encode func(block, weights, upper *byte) bool
	// tiles write the products of as many rows of x with two rows of weights, blocks of them from start[0] and start[stride] on.
	tiles []codedTile
	// widen widens blocks of some rows, from their cursors on, to rows ldd apart. Cursors go on.
	widen func(dst *float32, ldd int, w *byte, cursors *uint32, rows int, upper *byte, blocks, ahead int)
}

type codedTile = func(dst *float32, ldd int, x *float32, ldx int, w *byte, start *uint32, stride int, upper *byte, blocks, ahead int,
	add bool)

const (
	plainCode = 15 // as the first of a block: there are no codes

	codedSamples = 1 << 16 // weights of a matrix that say which upper bytes have codes
	codedGrain   = 1 << 16 // weights that are worth waking a thread for

	codedAhead = 7 << 10 // bytes to fetch ahead, at least
	codedRows  = 8       // of x that a tile has at most
	codedSpan  = 1 << 13 // values of x
)

// columns is how many columns a block has.
func (c *codedKernels) columns() int { return 2 * c.vector }

// code returns w in 12 bits, in memory of s; nil if rows are not whole blocks, or if it would not take less memory.
func (c *codedKernels) code(w *halves, s *Slab) *coded {
	if w.dtype != tensor.BF16 || w.k%c.columns() != 0 {
		return nil
	}
	p := &coded{n: w.n, k: w.k, kernels: c, upper: commonUpper(w.data)}
	parts := p.parts()
	p.start = make([]uint32, w.n*parts+1)
	part := func(i int) []byte { // the weights of part i
		row, at := i/parts, i%parts*kBlock
		return w.data[2*(row*w.k+at) : 2*(row*w.k+min(at+kBlock, w.k))]
	}
	par.For(w.n*parts, max(1, codedGrain/kBlock), func(lo, hi int) {
		scratch := make([]byte, 3*c.vector)
		for i := lo; i < hi; i++ {
			p.start[i+1] = c.vectors(part(i), &p.upper, scratch)
		}
	})
	total := 0
	for i, n := range p.start {
		total += int(n)
		if total*c.vector > len(w.data)/8*7 {
			return nil
		}
		p.start[i] = uint32(total)
	}
	p.blocks = s.Bytes(total * c.vector)
	par.For(w.n*parts, max(1, codedGrain/kBlock), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			c.fill(p.blocks[int(p.start[i])*c.vector:], part(i), &p.upper)
		}
	})
	return p
}

// commonUpper returns the upper bytes that most of some of the weights have.
func commonUpper(weights []byte) (upper [16]byte) {
	var count [256]int
	step := len(weights)/2/codedSamples | 1 // odd, for columns of all kinds
	for i := 1; i < len(weights); i += 2 * step {
		count[weights[i]]++
	}
	var order [256]byte
	for i := range order {
		order[i] = byte(i)
	}
	slices.SortFunc(order[:], func(a, b byte) int { return cmp.Or(count[b]-count[a], int(a)-int(b)) })
	copy(upper[:], order[:])
	return upper
}

// vectors returns how many vectors the blocks of weights take. scratch is memory for a block.
func (c *codedKernels) vectors(weights []byte, upper *[16]byte, scratch []byte) (n uint32) {
	for ; len(weights) > 0; weights = weights[4*c.vector:] {
		if n += 3; !c.encode(&scratch[0], &weights[:4*c.vector][0], &upper[0]) {
			n += 2
		}
	}
	return n
}

// fill makes blocks of weights.
func (c *codedKernels) fill(blocks, weights []byte, upper *[16]byte) {
	for ; len(weights) > 0; weights = weights[4*c.vector:] {
		block := weights[:4*c.vector]
		if c.encode(&blocks[:3*c.vector][0], &block[0], &upper[0]) {
			blocks = blocks[3*c.vector:]
			continue
		}
		blocks[0] = plainCode
		copy(blocks[c.vector:], block)
		blocks = blocks[5*c.vector:]
	}
}

// parts is how many kBlock columns a row has.
func (w *coded) parts() int { return (w.k + kBlock - 1) / kBlock }

// cursors say where rows go on, see codedKernels.widen.
var cursors = sync.Pool{New: func() any { return new([packedRows]uint32) }}

func (w *coded) row(dst []float32, n int) {
	cursor := cursors.Get().(*[packedRows]uint32)
	defer cursors.Put(cursor)
	for at := 0; at < w.k; at += kBlock {
		cursor[0] = w.start[n*w.parts()+at/kBlock]
		w.kernels.widen(&dst[at], 0, &w.blocks[0], &cursor[0], 1, &w.upper[0], min(kBlock, w.k-at)/w.kernels.columns(), codedAhead)
	}
}

func (w *coded) enter(r *region, dst, x []float32, m int) { enterFloats(r, dst, x, w, m) }

func (w *coded) product(dst, x []float32, add bool) { widenedProduct(dst, x, w, w.n, w.k, add) }

func (*coded) pack(*packKernels, *Slab) *packed { return nil }

func (*coded) integer() bool { return false }

func (w *coded) bytes() int { return len(w.blocks) }

func (*coded) raw() []byte { return nil }

func (w *coded) from(n int) (rows []byte, size int) {
	return w.blocks[int(w.start[n*w.parts()])*w.kernels.vector:], len(w.blocks) / w.n
}

func (w *coded) shape() (n, k int) { return w.n, w.k }

func (w *coded) dot(dst, x []float32, m, lo, hi int, scratch *[]float32) {
	*scratch = slices.Grow((*scratch)[:0], 2*codedRows)[:2*codedRows]
	span := max(1, codedSpan/kBlock/m) * kBlock // columns that all rows of weights pass before the next: x stays in the first cache
	for first := 0; first < w.k; first += span {
		for i, rows := 0, 0; i < m; i += rows {
			rows = evenly(m-i, len(w.kernels.tiles))
			for j := lo; j < hi; j += 2 {
				for at := first; at < min(first+span, w.k); at += kBlock {
					w.tile(dst[i*w.n+j-lo:], x[i*w.k+at:], rows, j, min(2, hi-j), at, *scratch)
				}
			}
		}
	}
}

// ahead is how many bytes ahead tiles fetch: what the same columns of further pairs of rows take.
func (w *coded) ahead() int {
	pair := 2 * len(w.blocks) / w.n
	return (codedAhead + pair - 1) / pair * pair
}

// tile writes, or adds, the products of rows of x with one or two rows of weights from j on, over the kBlock columns from at on, to dst. one
// is memory for those with one row.
func (w *coded) tile(dst, x []float32, rows, j, columns, at int, one []float32) {
	k, stride, out, ldd, add := min(kBlock, w.k-at), w.parts(), dst, w.n, at > 0
	if columns == 1 {
		stride, out, ldd, add = 0, one, 2, false // the same row twice
	}
	_, _, _ = x[(rows-1)*w.k+k-1], out[(rows-1)*ldd+1], w.start[(j+columns-1)*w.parts()+at/kBlock]
	w.kernels.tiles[rows-1](&out[0], ldd, &x[0], w.k, &w.blocks[0], &w.start[j*w.parts()+at/kBlock], stride, &w.upper[0],
		k/w.kernels.columns(), w.ahead(), add)
	for r := 0; columns == 1 && r < rows; r++ {
		if at > 0 {
			one[2*r] += dst[r*w.n]
		}
		dst[r*w.n] = one[2*r]
	}
}

func (*coded) manyRows() int { return active.many.from.coded }

func (w *coded) panel(to []float32, n, rows, at, k int, wide []float32) {
	const some = 128 // columns at a time, which stay in the first cache
	cursor := cursors.Get().(*[packedRows]uint32)
	defer cursors.Put(cursor)
	for first := 0; first < rows; first += packedRows {
		rows := min(packedRows, rows-first)
		for i := range rows {
			cursor[i] = w.start[(n+first+i)*w.parts()+at/kBlock]
		}
		for i := 0; i < k; i += some {
			columns := min(some, k-i)
			w.kernels.widen(&wide[0], columns, &w.blocks[0], &cursor[0], rows, &w.upper[0], columns/w.kernels.columns(), codedAhead)
			active.many.pack(to, active.many.place(first, i), wide[:rows*columns], columns, rows, columns)
		}
	}
}
