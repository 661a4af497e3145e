package kernel

import (
	"fmt"
	"math"

	"jamba/internal/kernel/par"
	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// panels are quantized weights in the layout of the integer kernels: panels of as many rows as the kernels take (R), the
// last filled up with zeroes. The integers are those of the file; only their order differs. Products read them back row
// by row, slowly; packed has the kernels.
//
// A panel's integers are in blocks of 32 columns, see integers. The scales follow apart, with R rows side by side, as
// fp16 for each block or, for K formats, fp16 for each super-block of 256 columns and signed bytes for each sub-block; of
// INT8, whose scale is that of a row, the row is a block.
//
// All of it lies in one piece of memory, each part at a multiple of 64 bytes, in the order of the fields. Native files
// hold it: what changes it changes PanelVersion.
type panels struct {
	*layout
	integers         integers // of the layout, for panels of that many rows
	dtype            tensor.DType
	rows             int // of a panel
	n, k             int
	count            int    // of panels
	blocks           int    // of a row: blocks of the type, super-blocks for K formats, 1 of INT8
	blockBytes       int    // of the type
	memory           []byte // all that follows
	quants           []byte // [count, K·R·bits/8]
	scale, min       []byte // [count, blocks, R] fp16
	subScale, subMin []byte // [count, blocks, block/sub, R]
}

// partAlignment is what each part begins at a multiple of: a line of the cache.
const partAlignment = 64

// maxRowScaled is how many columns may share one scale: sums of their products are int32, see channelTiles.
const maxRowScaled = 1 << 16

// maxPackRows is the maximum of a panel's rows.
const maxPackRows = 16

// newPanels returns how a matrix [n, k] of type d lies in panels of that many rows, without memory. It is an error if the
// type has no layout, if no kernels have such panels, if rows of k are no whole blocks, or if the size overflows.
func newPanels(d tensor.DType, rows, n, k int) (*panels, error) {
	if rows != 8 && rows != maxPackRows {
		return nil, fmt.Errorf("panels of %d rows are not known; 8 and %d are", rows, maxPackRows)
	}
	l := layouts[d]
	if l == nil {
		return nil, fmt.Errorf("weights of type %v do not lie in panels", d)
	}
	rowBytes, err := d.RowBytes(k)
	if err != nil {
		return nil, err
	}
	blocks := k / d.BlockValues()
	if d.RowScaled() {
		if blocks = 1; k%32 != 0 || k > maxRowScaled {
			return nil, fmt.Errorf("no panels of rows of %d values of type %v: multiples of 32 up to %d are possible", k, d, maxRowScaled)
		}
	}
	// With eight bytes a weight, which is more than any part takes, the sum of the parts does not overflow either.
	if n < 1 || k < 1 || n > math.MaxInt/8/maxPackRows/k-1 {
		return nil, fmt.Errorf("no panels of a matrix [%d, %d]", n, k)
	}
	integers := l.pairs
	if rows == maxPackRows {
		integers = l.fours
	}
	return &panels{layout: l, integers: integers, dtype: d, rows: rows, n: n, k: k, count: (n + rows - 1) / rows, blocks: blocks, blockBytes: rowBytes / max(1, blocks)}, nil
}

// part is a part of panels and its size.
type part struct {
	bytes *[]byte
	size  int
}

func (p *panels) parts() [5]part {
	has, block, sub := p.scaling.parts(), p.count*p.blocks*2*p.rows, p.count*(p.k/p.sub)*p.rows
	all := [5]part{{&p.quants, p.count * p.quantBytes(p.k)}, {&p.scale, block}, {bytes: &p.min}, {bytes: &p.subScale}, {bytes: &p.subMin}}
	if has.min {
		all[2].size = block
	}
	if has.subScale {
		all[3].size = sub
	}
	if has.subMin {
		all[4].size = sub
	}
	return all
}

// size is how many bytes the panels take.
func (p *panels) size() int {
	size := 0
	for _, part := range p.parts() {
		size += alignPart(part.size)
	}
	return size
}

func alignPart(n int) int { return (n + partAlignment - 1) &^ (partAlignment - 1) }

// place has the panels lie in b, of their size.
func (p *panels) place(b []byte) {
	p.memory = b
	for _, part := range p.parts() {
		*part.bytes = b[:part.size:part.size]
		b = b[alignPart(part.size):]
	}
}

// quantBytes is what the integers of k columns of a panel take.
func (p *panels) quantBytes(k int) int { return k * p.rows * p.integers.bits() / 8 }

// fill packs rows of the type, the first of which is row first of the matrix.
func (p *panels) fill(first int, data []byte) {
	size := p.blockBytes
	par.For(len(data)/(p.blocks*size), p.rows, func(lo, hi int) {
		b := quant.Block{Q: make([]int8, p.k/p.blocks), S: make([]int8, 16), M: make([]int8, 16)}
		for at := lo; at < hi; at++ {
			for i := range p.blocks {
				quant.Unpack(&b, p.dtype, data[(at*p.blocks+i)*size:][:size])
				p.put(&b, (first+at)/p.rows, (first+at)%p.rows, i)
			}
		}
	})
}

// put stores block i of row r of a panel.
func (p *panels) put(b *quant.Block, panel, r, i int) {
	at := (panel*p.blocks+i)*p.rows + r
	putFP16(p.scale, at, b.Scale)
	if len(p.min) > 0 {
		putFP16(p.min, at, b.Min)
	}
	subs := len(b.Q) / p.sub
	for s := range subs {
		at := ((panel*p.blocks+i)*subs+s)*p.rows + r
		if len(p.subScale) > 0 {
			p.subScale[at] = byte(b.S[s])
		}
		if len(p.subMin) > 0 {
			p.subMin[at] = byte(b.M[s])
		}
	}
	for c := 0; c < len(b.Q); c += 32 {
		p.integers.put(p.block(panel, i*len(b.Q)+c), p.rows, r, b.Q[c:c+32])
	}
}

func putFP16(to []byte, i int, v uint16) { to[2*i], to[2*i+1] = byte(v), byte(v>>8) }

// block returns the integers of a panel in 32 columns from one on.
func (p *panels) block(panel, column int) []byte {
	at := panel*p.quantBytes(p.k) + p.quantBytes(column)
	return p.quants[at : at+p.quantBytes(32)]
}

// row is bit for bit what quant.Dequantize makes of the blocks that were packed.
func (p *panels) row(dst []float32, n int) {
	panel, r := n/p.rows, n%p.rows
	perBlock := p.k / p.blocks
	for c := 0; c < p.k; c += 32 {
		p.integers.get(dst[c:c+32], p.block(panel, c), p.rows, r)
		for column := c; column < c+32; column += p.sub {
			var s scales
			at := (panel*p.blocks+column/perBlock)*p.rows + r
			s.scale = fp16At(p.scale, at)
			if len(p.min) > 0 {
				s.min = fp16At(p.min, at)
			}
			at = (panel*(p.k/p.sub)+column/p.sub)*p.rows + r
			if len(p.subScale) > 0 {
				s.subScale = int8(p.subScale[at])
			}
			if len(p.subMin) > 0 {
				s.subMin = int8(p.subMin[at])
			}
			p.scaling.values(dst[column:column+p.sub], s)
		}
	}
}

func fp16At(from []byte, i int) float32 {
	return quant.F16ToF32(uint16(from[2*i]) | uint16(from[2*i+1])<<8)
}

func (p *panels) enter(r *region, dst, x []float32, m int) { enterFloats(r, dst, x, p, m) }

func (p *panels) product(dst, x []float32, add bool) { widenedProduct(dst, x, p, p.n, p.k, add) }

// pack uses the panels as they are, if they are as high as those of the kernels.
func (p *panels) pack(k *packKernels, _ *Slab) *packed {
	kernels := k.of(p.layout)
	if p.rows != k.rows || kernels == nil {
		return nil
	}
	return newPacked(p, k, kernels, p)
}

func (*panels) integer() bool { return false }

func (p *panels) bytes() int {
	return len(p.quants) + len(p.scale) + len(p.min) + len(p.subScale) + len(p.subMin)
}

func (*panels) raw() []byte { return nil }

func (*panels) from(int) (rows []byte, size int) { return nil, 0 }

func (p *panels) shape() (n, k int) { return p.n, p.k }

func (p *panels) dot(dst, x []float32, m, lo, hi int, scratch *[]float32) {
	dotRows(dst, x, p, m, lo, hi, scratch)
}

// manyRows: rows are read back whole, not in the parts that mulMany takes.
func (*panels) manyRows() int { return math.MaxInt }

func (*panels) panel([]float32, int, int, int, int, []float32) {
	panic("kernel: parts of rows of panels")
}
