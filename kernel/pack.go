package kernel

import (
	"fmt"
	"math"

	"jamba/kernel/par"
	"jamba/kernel/quant"
	"jamba/tensor"
)

// packed is a quantized matrix in the layout of the integer kernels: panels of as many rows as the kernels take (R), the
// last filled up with zeroes. The numbers are those of the file; only their order differs.
//
// A panel's numbers are in blocks of 32 columns. In 8 bits: [16, R, 2], pairs of columns of each row, signed. In 4 bits:
// [8, R, 2], a byte of pair j holding a column of pair j in its lower half and one of pair 8+j in its upper.
// The scales follow apart, with R rows side by side, as fp16 for each block or, for K formats, fp16 numbers
// for each super-block of 256 columns and signed bytes for each sub-block.
//
// All of it lies in one piece of memory, each part at a multiple of 64 bytes, in the order of the fields. Native files
// hold it: what changes it changes PanelVersion.
type packed struct {
	kernels      *packKernels // those it was packed for, whatever tier is in use later; nil: only row reads it
	rows         int          // of a panel
	bits         int          // 8 or 4
	sub          int          // columns that share a scale: 32 or 16
	kind         scaleKind
	panels       int
	blocks       int    // of a row: blocks of the type, super-blocks for K formats
	bytes        []byte // all that follows
	quants       []byte // [panels, K·R·bits/8]
	scale, least []byte // [panels, blocks or super-blocks, R] fp16 numbers; least: none for some kinds
	sc, mn       []byte // K formats: [panels, super-blocks, 256/sub, R]
}

// scaleKind says how the scales of a format are made.
type scaleKind int

const (
	scaleOnly   scaleKind = iota // d·q
	scaleOffset                  // d·(q-8): Q4_0
	scaleMin                     // d·q + m
	scaleK                       // (d·s)·q - e·m
	scaleK6                      // (d·s)·q
)

// layouts are the types that lie in panels, and how: the others are widened to float32, a few rows at a time, in every
// product. These are the types of less than four bits, which would take two to five times the memory in panels, and those
// whose values are from a table.
var layouts = map[tensor.DType]struct {
	bits, sub int // of a number; columns that share a scale
	kind      scaleKind
}{
	tensor.Q8_0: {8, 32, scaleOnly},
	tensor.Q4_0: {4, 32, scaleOffset},
	tensor.Q4_1: {4, 32, scaleMin},
	tensor.Q5_0: {8, 32, scaleOnly},
	tensor.Q5_1: {8, 32, scaleMin},
	tensor.Q4_K: {4, 32, scaleK},
	tensor.Q5_K: {8, 32, scaleK},
	tensor.Q6_K: {8, 16, scaleK6},
}

// Packs reports whether matrices of type d lie in panels if the kernels have some; see Pack.
func Packs(d tensor.DType) bool {
	_, ok := layouts[d]
	return ok
}

// Pack brings w into the layout of the fast kernels, if the active tier has them for its type: products with it then
// round activations to 16 bits, in blocks of 32 with a scale each, or for K formats to 15 bits (Q4_K), 14 (Q5_K) or 13
// (Q6_K) in blocks of superHalf: a block with nothing above 1e-34 counts as zeroes, and with Q4_0 activations from about
// 1e36 on overflow. It takes about as much memory as the weights; those that Quantize made are freed, others are returned, nil if there are none: they are needed no more, except by Row.
// A matrix of FromPanels is not copied: it is used as it is if its panels are as high as the tier's, and else not packed.
func (w *Matrix) Pack() (unpacked []byte) {
	if !Packs(w.DType) || active.pack == nil || w.packed != nil {
		return nil
	}
	if w.panels != nil {
		if w.panels.rows == active.pack.rows {
			p := *w.panels
			p.kernels, w.packed = active.pack, &p
		}
		return nil
	}
	p, size, err := layout(w.DType, active.pack.rows, w.N, w.K)
	if err != nil {
		panic("kernel: Pack: " + err.Error()) // the weights would not be there
	}
	p.kernels = active.pack
	p.place(make([]byte, size), w.K)
	p.fill(w.DType, w.K, 0, w.data)
	w.packed = p
	if w.owned {
		w.data = nil
	}
	return w.data
}

// partAlignment is what each part of a packed matrix begins at a multiple of: a line of the cache.
const partAlignment = 64

// layout returns how a matrix [n, k] of type d lies in panels of that many rows, and the bytes it takes. It is an error
// if the type has none, if no kernels have such panels, if rows of k are no whole blocks, or if the size overflows.
func layout(d tensor.DType, rows, n, k int) (p *packed, size int, err error) {
	if rows != 8 && rows != maxPackRows {
		return nil, 0, fmt.Errorf("panels of %d rows are not known; 8 and %d are", rows, maxPackRows)
	}
	l, ok := layouts[d]
	if !ok {
		return nil, 0, fmt.Errorf("weights of type %v do not lie in panels", d)
	}
	if _, err := d.RowBytes(k); err != nil {
		return nil, 0, err
	}
	// With eight bytes a weight, which is more than any part takes, the sum of the parts does not overflow either.
	if n < 1 || k < 1 || n > math.MaxInt/8/maxPackRows/k-1 {
		return nil, 0, fmt.Errorf("no panels of a matrix [%d, %d]", n, k)
	}
	p = &packed{rows: rows, bits: l.bits, sub: l.sub, kind: l.kind, panels: (n + rows - 1) / rows}
	p.blocks = k / d.BlockValues()
	for _, part := range p.parts(k) {
		size += alignPart(part.size)
	}
	return p, size, nil
}

func alignPart(n int) int { return (n + partAlignment - 1) &^ (partAlignment - 1) }

// part is a part of a packed matrix, of rows with k values, and its size.
type part struct {
	bytes *[]byte
	size  int
}

func (p *packed) parts(k int) []part {
	half, bytes := p.panels*p.blocks*2*p.rows, p.panels*(k/p.sub)*p.rows
	all := []part{{&p.quants, p.panels * p.quantBytes(k)}, {&p.scale, half}}
	switch p.kind {
	case scaleMin:
		all = append(all, part{&p.least, half})
	case scaleK:
		all = append(all, part{&p.least, half}, part{&p.sc, bytes}, part{&p.mn, bytes})
	case scaleK6:
		all = append(all, part{&p.sc, bytes})
	}
	return all
}

// place has the matrix lie in b, of the size that layout gave.
func (p *packed) place(b []byte, k int) {
	p.bytes = b
	for _, part := range p.parts(k) {
		*part.bytes = b[:part.size:part.size]
		b = b[alignPart(part.size):]
	}
}

// fill packs rows of type d with k values, the first of which is row first of the matrix.
func (p *packed) fill(d tensor.DType, k, first int, data []byte) {
	block, blockBytes := d.BlockValues(), d.BlockBytes()
	par.For(len(data)/(p.blocks*blockBytes), p.rows, func(lo, hi int) {
		b := quant.Block{Q: make([]int8, block), S: make([]int8, 16), M: make([]int8, 16)}
		for at := lo; at < hi; at++ {
			for i := range p.blocks {
				quant.Unpack(&b, d, data[(at*p.blocks+i)*blockBytes:][:blockBytes])
				p.put(&b, (first+at)/p.rows, (first+at)%p.rows, i, k)
			}
		}
	})
}

func (p *packed) quantBytes(k int) int { return k * p.rows * p.bits / 8 }

// put stores block i of row r of a panel.
func (p *packed) put(b *quant.Block, panel, r, i, k int) {
	rows, blocks := p.rows, p.blocks
	half := func(to []byte, v uint16) {
		at := ((panel*blocks+i)*rows + r) * 2
		to[at], to[at+1] = byte(v), byte(v>>8)
	}
	half(p.scale, b.Scale)
	if p.least != nil {
		half(p.least, b.Min)
	}
	subs := len(b.Q) / p.sub
	for s := 0; p.sc != nil && s < subs; s++ {
		at := ((panel*blocks+i)*subs+s)*rows + r
		p.sc[at] = byte(b.S[s])
		if p.mn != nil {
			p.mn[at] = byte(b.M[s])
		}
	}
	size := p.quantBytes(k)
	quants := p.quants[panel*size : (panel+1)*size]
	for c := range len(b.Q) / 32 {
		q := b.Q[32*c : 32*c+32]
		column := i*len(b.Q) + 32*c
		if p.bits == 8 {
			for j := range 16 {
				at := column*rows + (j*rows+r)*2
				quants[at], quants[at+1] = byte(q[2*j]), byte(q[2*j+1])
			}
			continue
		}
		for j := range 8 {
			at := column*rows/2 + (j*rows+r)*2
			quants[at], quants[at+1] = byte(q[2*j]|q[16+2*j]<<4), byte(q[2*j+1]|q[17+2*j]<<4)
		}
	}
}
