package state

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"jamba/internal/kernel"
	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// KV is the keys and values of one layer of a State.
type KV struct {
	spec  *Spec
	pages []kernel.Page
}

// KV returns the keys and values of an attention layer: those of all positions before Pos that its window still sees, and
// memory for those that are reserved.
func (s *State) KV(layer int) KV {
	for g := range s.arena.groups {
		if i := slices.Index(s.arena.groups[g].layers, layer); i >= 0 {
			return KV{&s.arena.specs[layer], s.tables[g].views[i]}
		}
	}
	panic(fmt.Sprintf("state: layer %d has no keys and values", layer))
}

// Mamba returns the states of a Mamba layer: the last inputs of the convolution [d_conv-1, d_inner], oldest first, and the
// scan's [panels, d_state, kernel.ScanPanel], see kernel.Scan. Both are nil for an empty sequence. They are not to be
// changed.
func (s *State) Mamba(layer int) (conv, h []float32) {
	if s.slot == nil {
		return nil, nil
	}
	return s.arena.parts(layer, s.slot)
}

// Cuts appends where a Mamba layer's states are to be kept in the pass that is reserved for, rows being counted from Pos.
func (s *State) Cuts(layer int, conv, scan []kernel.Cut) (convs, scans []kernel.Cut) {
	for i, at := range s.next.cuts {
		c, h := s.arena.parts(layer, s.next.slots[i])
		conv, scan = append(conv, kernel.Cut{Row: at - s.pos, To: c}), append(scan, kernel.Cut{Row: at - s.pos, To: h})
	}
	return conv, scan
}

// parts returns a layer's part of a slot.
func (a *Arena) parts(layer int, s *slot) (conv, h []float32) {
	at := a.mamba[layer]
	return s.data[at.conv:at.h:at.h], s.data[at.h:at.end:at.end]
}

// Pages returns the pages for kernel.Attention.
func (kv KV) Pages() []kernel.Page { return kv.pages }

// DType returns the type of the pages.
func (kv KV) DType() tensor.DType { return kv.spec.DType }

// Store writes the keys and values, each [M, G, D], of the M positions from pos on, which have to be reserved. It is an
// error if they are beyond what the pages' type holds.
func (kv KV) Store(pos int, k, v []float32) error {
	if err := kv.check(k, v); err != nil {
		return err
	}
	heads, dim := kv.spec.KVHeads, kv.spec.HeadDim
	row := heads * dim
	for t := range len(k) / row {
		page, i := &kv.pages[(pos+t)/kernel.PageLen], (pos+t)%kernel.PageLen
		for h := range heads {
			key, value := k[t*row+h*dim:t*row+(h+1)*dim], v[t*row+h*dim:t*row+(h+1)*dim]
			if kv.spec.DType == tensor.F32 {
				lo, hi := at(h, i, dim)
				copy(page.K[lo:hi], key)
				copy(page.V[lo:hi], value)
				continue
			}
			lo, hi := at(h, i, kv.rowBytes())
			if err := cmp.Or(kernel.Narrow(page.RawK[lo:hi], kv.spec.DType, key), kernel.Narrow(page.RawV[lo:hi], kv.spec.DType, value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ErrNotFinite is the error of a key or a value that is infinite or NaN, which Q8_0 does not hold.
var ErrNotFinite = errors.New("a key or value is infinite or NaN; are the weights damaged?")

// check returns an error if a key or a value is beyond what the pages' type holds.
func (kv KV) check(k, v []float32) error {
	const halfOverflow = 65520 // the smallest number that rounds to fp16's infinity
	limit := float32(halfOverflow)
	switch kv.spec.DType {
	case tensor.F32:
		return nil
	case tensor.Q8_0:
		limit *= 127 // the scale is fp16
		if !kernel.Finite(k) || !kernel.Finite(v) {
			return ErrNotFinite
		}
	}
	// In fp16, what is infinite is found after the layer.
	if largest := max(kernel.MaxAbs(k), kernel.MaxAbs(v)); largest >= limit && largest <= math.MaxFloat32 {
		return fmt.Errorf("a key or value of %.3g is more than %v holds, which they are kept in; float32 holds it (--kv f32)", largest, kv.spec.DType)
	}
	return nil
}

// rowBytes returns the bytes of a key or a value.
func (kv KV) rowBytes() int {
	_, n := kernel.PageRow(kv.spec.DType, kv.spec.HeadDim)
	return n
}

// at returns where position i of a page and a head lies, in units of which a key or a value takes size.
func at(head, i, size int) (lo, hi int) {
	lo = (head*kernel.PageLen + i) * size
	return lo, lo + size
}

// At returns copies of the key and the value [D] of one position and key/value head.
func (kv KV) At(pos, head int) (k, v []float32) {
	page := kv.pages[pos/kernel.PageLen]
	if kv.spec.DType == tensor.F32 {
		lo, hi := at(head, pos%kernel.PageLen, kv.spec.HeadDim)
		return slices.Clone(page.K[lo:hi]), slices.Clone(page.V[lo:hi])
	}
	lo, hi := at(head, pos%kernel.PageLen, kv.rowBytes())
	values, _ := kernel.PageRow(kv.spec.DType, kv.spec.HeadDim)
	k, v = make([]float32, values), make([]float32, values)
	quant.Dequantize(k, kv.spec.DType, page.RawK[lo:hi])
	quant.Dequantize(v, kv.spec.DType, page.RawV[lo:hi])
	return k[:kv.spec.HeadDim], v[:kv.spec.HeadDim]
}
