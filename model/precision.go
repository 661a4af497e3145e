package model

import (
	"fmt"

	"jamba/kernel"
	"jamba/tensor"
)

// Precision says how a model computes.
type Precision int

const (
	// Exact computes with float32 activations, keys and values, and with the weights as they are in the file, in place.
	Exact Precision = iota
	// Fast multiplies quantized weights with activations rounded to 16 bits, in blocks of 32 with a scale each. The
	// weights are copied into the layout of the kernels once, when the model is opened. Keys and values are kept as half
	// floats.
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

// Quantized says what Options.Weights did.
type Quantized struct {
	Matrices, Kept       int   // rounded, and left as they were
	Before, After, Bytes int64 // bytes of those rounded, before and after, and of those kept
}

// quantize rounds the network's large matrices to d. The router, norms, convolutions, A and D stay as they are.
func (m *Model) quantize(d tensor.DType, progress func(done, total int64)) error {
	all, total := m.large()
	q, done := &Quantized{}, int64(0)
	for _, l := range all {
		before := int64(l.Bytes())
		rounded, err := l.Quantize(d)
		if err != nil {
			return fmt.Errorf("weights to %v: %w", d, err)
		}
		if rounded {
			q.Matrices++
			q.Before += before
			q.After += int64(l.Bytes())
			l.resize(int64(l.Bytes()) - before)
		} else {
			q.Kept++
			q.Bytes += before
		}
		if done += before; progress != nil {
			progress(done, total)
		}
	}
	m.Quantized = q
	return nil
}

// large is a large matrix of the network, and the sizes that it counts in.
type large struct {
	*kernel.Matrix
	size   *Size
	expert bool
}

// resize counts the bytes that the matrix takes more, or less.
func (l *large) resize(bytes int64) {
	l.size.Bytes += bytes
	if l.expert {
		l.size.ExpertBytes += bytes
	}
}

// large returns the network's large matrices and their bytes.
func (m *Model) large() (all []large, bytes int64) {
	size, expert := &m.Sizes.Head, false
	visit := func(w *kernel.Matrix) {
		all = append(all, large{w, size, expert})
		bytes += int64(w.Bytes())
	}
	for i := range m.blocks {
		size = &m.Sizes.Layers[i]
		m.blocks[i].mixer.matrices(visit)
		if ff := m.blocks[i].feedForward; ff != nil {
			_, expert = ff.(*moe)
			ff.matrices(visit)
			expert = false
		}
	}
	if size = &m.Sizes.Head; m.Config.TieWordEmbeddings {
		size = &m.Sizes.Embedding
	}
	visit(&m.lmHead)
	return all, bytes
}

// pack brings the network's large matrices into the layout of the fast kernels. progress, if not nil, is told of the
// bytes that are done.
func (m *Model) pack(progress func(done, total int64)) {
	all, total := m.large()
	done := int64(0)
	for _, l := range all {
		if source := l.Pack(); source != nil {
			// One copy is enough to have in memory.
			m.source.ReleaseBytes(source)
		}
		if done += int64(l.Bytes()); progress != nil {
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
