package model

import (
	"errors"
	"fmt"
	"slices"

	"jamba/internal/kernel"
	"jamba/model/lora"
	"jamba/model/param"
)

// Adapter is an adapter made ready for a model, to be chosen for each Span. It never changes and is safe for concurrent use.
type Adapter struct {
	model       *Model
	from        *lora.Adapter
	lowRank     map[*kernel.Matrix]*lowRank // what it adds to products with one of the model's matrices
	embed, head *kernel.Matrix              // weights of its own; nil: the model's
	warnings    []string
}

// NewAdapter makes an adapter of the model's Modules ready. It uses a's matrices in place and leaves the model as it is: spans
// compute with it if they name it, in float32 beside the model's own weights, or with weights of its own as the model's are
// rounded and packed. What a span computes is, bit for bit, what a model opened with the adapter does, whatever other spans of
// the pass compute with.
//
// It is an error if a module is not the model's, or if the model is for training or was opened with an adapter.
func (m *Model) NewAdapter(a *lora.Adapter) (*Adapter, error) {
	switch {
	case m.params != nil:
		return nil, errors.New("adapters cannot be chosen in a model for training; attach one")
	case m.adapter != nil:
		return nil, errors.New("the model was opened with an adapter: no other can be chosen beside it")
	}
	own, _, err := m.ready(a)
	if err != nil {
		return nil, err
	}
	own.warnings = slices.Clone(a.Warnings)
	for _, w := range a.Wholes {
		// A head that was rounded may be there in the layout of the kernels alone.
		if !m.holds(&w.Module) || (w.Group == lora.Embed || m.choice == nil) && m.has(&w) {
			continue
		}
		weight, err := kernel.NewMatrix(w.Weight)
		if err != nil {
			return nil, err
		}
		own.warnings = append(own.warnings, ownWeight(&w))
		if w.Group == lora.Embed {
			own.embed = &weight
			continue
		}
		if err := m.prepare(&weight); err != nil {
			return nil, fmt.Errorf("the adapter's %s: %w", w.Name, err)
		}
		own.head = &weight
	}
	return own, nil
}

// Source returns what the adapter was made of.
func (a *Adapter) Source() *lora.Adapter { return a.from }

// Warnings returns what a user should know of the adapter. They may quote its files.
func (a *Adapter) Warnings() []string { return slices.Clone(a.warnings) }

// prepare brings a weight in the place of the head into the form that the model's own has.
func (m *Model) prepare(w *kernel.Matrix) error {
	l := large{w, param.Outside(param.Head), &Size{}}
	if m.choice != nil {
		if _, _, err := l.round(m.choice); err != nil {
			return err
		}
	}
	if m.precision == Fast {
		w.Pack(new(kernel.Slab))
	}
	return nil
}

// ownHead returns the weight that the adapter, which may be nil, has in the place of the model's head, or nil.
func (a *Adapter) ownHead() *kernel.Matrix {
	if a == nil {
		return nil
	}
	return a.head
}

// of returns what the adapter, which may be nil, adds to products with w, or nil.
func (a *Adapter) of(w *kernel.Matrix) *lowRank {
	if a == nil {
		return nil
	}
	return a.lowRank[w]
}

// stretch is a run of rows [lo, hi) that compute with one adapter, or with none.
type stretch struct {
	adapter *Adapter
	lo, hi  int
}

// extend adds the next rows to stretches.
func extend(stretches []stretch, a *Adapter, rows int) []stretch {
	n, lo := len(stretches), 0
	if n > 0 {
		lo = stretches[n-1].hi
	}
	switch {
	case rows == 0:
		return stretches
	case n > 0 && stretches[n-1].adapter == a:
		stretches[n-1].hi += rows
		return stretches
	}
	return append(stretches, stretch{a, lo, lo + rows})
}

// layOut lays out the stretches of the pass's rows.
func (p *Pass) layOut() {
	p.stretches = p.stretches[:0]
	for i := range p.spans {
		p.stretches = extend(p.stretches, p.spans[i].Adapter, p.spans[i].hi-p.spans[i].lo)
	}
}

// gather appends the stretches of some rows, ascending, of which each stands there as picks of experts do, n for each row.
func gather(to, of []stretch, picks []int, n int) []stretch {
	own := to[len(to):]
	for _, s := range of {
		rows := 0
		for rows < len(picks) && picks[rows]/n < s.hi {
			rows++
		}
		own, picks = extend(own, s.adapter, rows), picks[rows:]
	}
	return append(to, own...)
}

// adapt adds to a linear layer's output what the adapters of its rows add, and returns what that reads and multiplies.
func (p *Pass) adapt(l *linear) (bytes, macs int) {
	for _, s := range l.stretches {
		low := s.adapter.of(l.w)
		if low == nil {
			continue
		}
		out, x := l.out[s.lo*l.w.N:s.hi*l.w.N], l.x[s.lo*l.w.K:s.hi*l.w.K]
		p.addLowRank(out, x, low)
		bytes += low.a.ReadBytes() + low.b.ReadBytes()
		macs += low.a.N * (len(x) + len(out))
	}
	return bytes, macs
}
