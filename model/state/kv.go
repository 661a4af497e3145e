package state

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"jamba/kernel"
	"jamba/kernel/quant"
	"jamba/tensor"
)

// KV is the memory of an attention layer: pages of keys and values. Pages wholly before the window are let go.
type KV struct {
	heads, dim, window int
	dtype              tensor.DType
	pages              []kernel.Page
}

// Store writes the keys and values, each [M, G, D], of the M positions from pos on. It is an error if they are beyond
// what the pages' type holds.
func (kv *KV) Store(pos int, k, v []float32) error {
	if err := kv.check(k, v); err != nil {
		return err
	}
	row := kv.heads * kv.dim
	for t := range len(k) / row {
		p, i := (pos+t)/kernel.PageLen, (pos+t)%kernel.PageLen
		for len(kv.pages) <= p {
			kv.pages = append(kv.pages, kernel.Page{})
		}
		page := &kv.pages[p]
		kv.allocate(page)
		for h := range kv.heads {
			key, value := k[t*row+h*kv.dim:t*row+(h+1)*kv.dim], v[t*row+h*kv.dim:t*row+(h+1)*kv.dim]
			if kv.dtype == tensor.F32 {
				lo, hi := kv.at(h, i, kv.dim)
				copy(page.K[lo:hi], key)
				copy(page.V[lo:hi], value)
				continue
			}
			lo, hi := kv.at(h, i, kv.rowBytes())
			if err := cmp.Or(kernel.Narrow(page.RawK[lo:hi], kv.dtype, key), kernel.Narrow(page.RawV[lo:hi], kv.dtype, value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// check returns an error if a key or a value is beyond what the pages' type holds.
func (kv *KV) check(k, v []float32) error {
	const halfOverflow = 65520 // the smallest number that rounds to a half float's infinity
	limit := float32(halfOverflow)
	switch kv.dtype {
	case tensor.F32:
		return nil
	case tensor.Q8_0:
		limit *= 127 // the scale is a half float
		if !kernel.Finite(k) || !kernel.Finite(v) {
			return errors.New("a key or value is infinite or NaN; are the weights damaged?")
		}
	}
	// In half floats, what is infinite is found after the layer.
	if most := max(kernel.MaxAbs(k), kernel.MaxAbs(v)); most >= limit && most <= math.MaxFloat32 {
		return fmt.Errorf("a key or value of %.3g is more than %v holds, which they are kept in; float32 holds it (--kv f32)", most, kv.dtype)
	}
	return nil
}

// rowBytes returns the bytes of a key or a value.
func (kv *KV) rowBytes() int {
	_, n := kernel.PageRow(kv.dtype, kv.dim)
	return n
}

// at returns where position i of a page and a head lies, in units of which a key or a value takes size.
func (kv *KV) at(head, i, size int) (lo, hi int) {
	lo = (head*kernel.PageLen + i) * size
	return lo, lo + size
}

// allocate gives a page its memory, if it has none.
func (kv *KV) allocate(page *kernel.Page) {
	rows := kernel.PageLen * kv.heads
	switch {
	case !empty(*page):
	case kv.dtype == tensor.F32:
		page.K, page.V = make([]float32, rows*kv.dim), make([]float32, rows*kv.dim)
	default:
		page.RawK, page.RawV = make([]byte, rows*kv.rowBytes()), make([]byte, rows*kv.rowBytes())
	}
}

// empty reports whether a page has no memory.
func empty(page kernel.Page) bool { return page.K == nil && page.RawK == nil }

// DType returns the type of the pages.
func (kv *KV) DType() tensor.DType { return kv.dtype }

// Pages returns the pages for kernel.Attention.
func (kv *KV) Pages() []kernel.Page { return kv.pages }

// Release lets go of the pages that no token from position pos on can see.
func (kv *KV) Release(pos int) {
	if kv.window == 0 {
		return
	}
	for p := (pos-kv.window+1)/kernel.PageLen - 1; p >= 0 && !empty(kv.pages[p]); p-- {
		kv.pages[p] = kernel.Page{}
	}
}

// At returns copies of the key and the value [D] of one position and key/value head.
func (kv *KV) At(pos, head int) (k, v []float32) {
	page := kv.pages[pos/kernel.PageLen]
	if kv.dtype == tensor.F32 {
		lo, hi := kv.at(head, pos%kernel.PageLen, kv.dim)
		return slices.Clone(page.K[lo:hi]), slices.Clone(page.V[lo:hi])
	}
	lo, hi := kv.at(head, pos%kernel.PageLen, kv.rowBytes())
	values, _ := kernel.PageRow(kv.dtype, kv.dim)
	k, v = make([]float32, values), make([]float32, values)
	quant.Dequantize(k, kv.dtype, page.RawK[lo:hi])
	quant.Dequantize(v, kv.dtype, page.RawV[lo:hi])
	return k[:kv.dim], v[:kv.dim]
}

// fill stores n positions of random content, page by page, and lets go of the pages after them.
func (kv *KV) fill(n int, r *rand.Rand) {
	kv.pages = kv.pages[:min(len(kv.pages), (n+kernel.PageLen-1)/kernel.PageLen)]
	clear(kv.pages[len(kv.pages):cap(kv.pages)])
	k, v := make([]float32, kernel.PageLen*kv.heads*kv.dim), make([]float32, kernel.PageLen*kv.heads*kv.dim)
	for pos := 0; pos < n; pos += kernel.PageLen {
		for i := range k {
			k[i], v[i] = r.Float32()-0.5, r.Float32()-0.5
		}
		rows := min(kernel.PageLen, n-pos) * kv.heads * kv.dim
		_ = kv.Store(pos, k[:rows], v[:rows]) // they are small
		kv.Release(min(pos+kernel.PageLen, n))
	}
}

func (kv *KV) clone() *KV {
	c := *kv
	c.pages = slices.Clone(kv.pages)
	for i, p := range c.pages {
		c.pages[i] = kernel.Page{K: slices.Clone(p.K), V: slices.Clone(p.V), RawK: slices.Clone(p.RawK), RawV: slices.Clone(p.RawV)}
	}
	return &c
}
