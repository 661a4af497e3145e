package kernel

import (
	"jamba/kernel/par"
	"jamba/kernel/quant"
	"jamba/tensor"
)

// packed is a quantized matrix in the layout of the integer kernels: panels of as many rows as the kernels take (R), the
// last filled up with zeroes. The numbers are those of the file; only their order differs.
//
// A panel's numbers are in blocks of 32 columns. In 8 bits: [16, R, 2], pairs of columns of each row, signed. In 4 bits:
// [8, R, 2], a byte of pair j holding a column of pair j in its lower half and one of pair 8+j in its upper.
// The scales follow apart, with R rows side by side, as half floats for each block or, for K formats, half floats
// for each super-block of 256 columns and signed bytes for each sub-block.
type packed struct {
	kernels      *packKernels // those it was packed for, whatever tier is in use later
	bits         int          // 8 or 4
	sub          int          // columns that share a scale: 32 or 16
	kind         scaleKind
	panels       int
	quants       []byte // [panels, K·R·bits/8]
	scale, least []byte // [panels, blocks or super-blocks, R] half floats; least: none for some kinds
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

// Pack brings w into the layout of the fast kernels, if the active tier has them for its type: products with it then
// round activations to 16 bits, in blocks of 32 with a scale each: a block with nothing above 1e-34 counts as zeroes, and
// with Q4_0 activations from about 1e36 on overflow. It takes about as much memory as the weights;
// those that Quantize made are let go, others are returned, nil if there are none: they are needed no more, except by Row.
func (w *Matrix) Pack() (unpacked []byte) {
	if !w.DType.Quantized() || active.pack == nil || w.packed != nil {
		return nil
	}
	rows := active.pack.rows
	p := &packed{kernels: active.pack, bits: 8, sub: 32, panels: (w.N + rows - 1) / rows}
	switch w.DType {
	case tensor.Q4_0:
		p.bits, p.kind = 4, scaleOffset
	case tensor.Q4_1:
		p.bits, p.kind = 4, scaleMin
	case tensor.Q5_1:
		p.kind = scaleMin
	case tensor.Q4_K:
		p.bits, p.kind = 4, scaleK
	case tensor.Q5_K:
		p.kind = scaleK
	case tensor.Q6_K:
		p.kind, p.sub = scaleK6, 16
	}
	block := w.DType.BlockValues()
	blocks := w.K / block
	p.quants = make([]byte, p.panels*p.quantBytes(w.K))
	p.scale = make([]byte, p.panels*blocks*2*rows)
	if p.kind == scaleMin || p.kind == scaleK {
		p.least = make([]byte, len(p.scale))
	}
	if p.kind == scaleK || p.kind == scaleK6 {
		p.sc = make([]byte, p.panels*blocks*block/p.sub*rows)
	}
	if p.kind == scaleK {
		p.mn = make([]byte, len(p.sc))
	}
	par.For(p.panels, 1, func(lo, hi int) {
		b := quant.Block{Q: make([]int8, block), S: make([]int8, 16), M: make([]int8, 16)}
		for n := lo * rows; n < min(hi*rows, w.N); n++ {
			for i := range blocks {
				at := (n*blocks + i) * w.DType.BlockBytes()
				quant.Unpack(&b, w.DType, w.data[at:at+w.DType.BlockBytes()])
				p.put(&b, n/rows, n%rows, i, blocks, w.K)
			}
		}
	})
	w.packed = p
	if w.owned {
		w.data = nil
	}
	return w.data
}

func (p *packed) quantBytes(k int) int { return k * p.kernels.rows * p.bits / 8 }

// put stores block i of row r of a panel.
func (p *packed) put(b *quant.Block, panel, r, i, blocks, k int) {
	rows := p.kernels.rows
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
