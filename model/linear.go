package model

import "jamba/internal/kernel"

// linear is out = x·wᵀ + bias, with what the adapters of these rows add.
type linear struct {
	out, x    []float32
	w         *kernel.Matrix
	bias      []float32 // nil: none
	stretches []stretch // of the rows
}

// linear computes layers that do not depend on each other, an operation of that name.
func (p *Pass) linear(name string, layers ...linear) {
	p.products = p.products[:0]
	for i := range layers {
		l := &layers[i]
		p.products = append(p.products, kernel.Projection{Dst: l.out, X: l.x, W: l.w})
	}
	kernel.Project(p.products)
	bytes, macs := 0, 0
	for i := range layers {
		l := &layers[i]
		kernel.AddBias(l.out, l.bias)
		b, m := p.adapt(l)
		bytes, macs = bytes+l.w.ReadBytes()+b, macs+len(l.out)*l.w.K+m
	}
	p.lap(name, bytes, macs)
}
