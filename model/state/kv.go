package state

import (
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
	half               bool // pages are half floats
	pages              []kernel.Page
}

// Store writes the keys and values, each [M, G, D], of the M positions from pos on. It is an error if they are beyond
// what half floats hold and the pages have such.
func (kv *KV) Store(pos int, k, v []float32) error {
	if kv.half {
		// What is infinite is found after the layer.
		if most := max(kernel.MaxAbs(k), kernel.MaxAbs(v)); most >= halfOverflow && most <= math.MaxFloat32 {
			return fmt.Errorf("a key or value of %.3g is more than a half float holds, which the fast pass keeps them in; the exact pass (--precision exact) keeps float32", most)
		}
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
			at := (h*kernel.PageLen + i) * kv.dim
			key, value := k[t*row+h*kv.dim:t*row+(h+1)*kv.dim], v[t*row+h*kv.dim:t*row+(h+1)*kv.dim]
			if kv.half {
				kernel.NarrowF16(page.HalfK[2*at:2*(at+kv.dim)], key)
				kernel.NarrowF16(page.HalfV[2*at:2*(at+kv.dim)], value)
				continue
			}
			copy(page.K[at:at+kv.dim], key)
			copy(page.V[at:at+kv.dim], value)
		}
	}
	return nil
}

// halfOverflow is the smallest number that rounds to a half float's infinity.
const halfOverflow = 65520

// allocate gives a page its memory, if it has none.
func (kv *KV) allocate(page *kernel.Page) {
	n := kernel.PageLen * kv.heads * kv.dim
	switch {
	case !empty(*page):
	case kv.half:
		page.HalfK, page.HalfV = make([]byte, 2*n), make([]byte, 2*n)
	default:
		page.K, page.V = make([]float32, n), make([]float32, n)
	}
}

// empty reports whether a page has no memory.
func empty(page kernel.Page) bool { return page.K == nil && page.HalfK == nil }

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
	at := (head*kernel.PageLen + pos%kernel.PageLen) * kv.dim
	if !kv.half {
		return slices.Clone(page.K[at : at+kv.dim]), slices.Clone(page.V[at : at+kv.dim])
	}
	k, v = make([]float32, kv.dim), make([]float32, kv.dim)
	quant.Dequantize(k, tensor.F16, page.HalfK[2*at:2*(at+kv.dim)])
	quant.Dequantize(v, tensor.F16, page.HalfV[2*at:2*(at+kv.dim)])
	return k, v
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
		c.pages[i] = kernel.Page{K: slices.Clone(p.K), V: slices.Clone(p.V), HalfK: slices.Clone(p.HalfK), HalfV: slices.Clone(p.HalfV)}
	}
	return &c
}
