package model

import (
	"fmt"

	"jamba/kernel"
)

// Precision says how a model computes.
type Precision int

const (
	// Exact computes with float32 activations, keys and values, and with the weights as they are in the file, in place.
	Exact Precision = iota
	// Fast multiplies quantized weights with activations rounded to 8 bits, in blocks of 32 with a scale each. The
	// weights are copied into the layout of the kernels once, when the model is opened.
	Fast
)

// String returns the precision's name on the command line.
func (p Precision) String() string {
	if p == Fast {
		return "fast"
	}
	return "exact"
}

// UnmarshalText reads exact or fast.
func (p *Precision) UnmarshalText(b []byte) error {
	switch string(b) {
	case "exact":
		*p = Exact
	case "fast":
		*p = Fast
	default:
		return fmt.Errorf("precision %q is not known; exact and fast are", b)
	}
	return nil
}

// pack brings the network's large matrices into the layout of the fast kernels. progress, if not nil, is told of the
// bytes that are done.
func (m *Model) pack(progress func(done, total int64)) {
	var all []*kernel.Matrix
	visit := func(w *kernel.Matrix) { all = append(all, w) }
	for i := range m.blocks {
		m.blocks[i].mixer.matrices(visit)
		if ff := m.blocks[i].feedForward; ff != nil {
			ff.matrices(visit)
		}
	}
	visit(&m.lmHead)
	var done, total int64
	for _, w := range all {
		total += int64(w.Bytes())
	}
	for _, w := range all {
		w.Pack()
		if done += int64(w.Bytes()); progress != nil {
			progress(done, total)
		}
	}
}

func (a *attention) matrices(visit func(*kernel.Matrix)) {
	for _, w := range []*kernel.Matrix{&a.qProj, &a.kProj, &a.vProj, &a.oProj} {
		visit(w)
	}
}

func (m *mamba) matrices(visit func(*kernel.Matrix)) {
	for _, w := range []*kernel.Matrix{&m.inProj, &m.xProj, &m.dtProj, &m.outProj} {
		visit(w)
	}
}

func (f *mlp) matrices(visit func(*kernel.Matrix)) {
	for _, w := range []*kernel.Matrix{&f.gateProj, &f.upProj, &f.downProj} {
		visit(w)
	}
}

// matrices leaves the router out: it stays exact.
func (f *moe) matrices(visit func(*kernel.Matrix)) {
	for e := range f.experts {
		f.experts[e].matrices(visit)
	}
}
