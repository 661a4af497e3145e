package state

import (
	"math/rand/v2"
	"slices"

	"jamba/kernel"
)

// KV is the memory of an attention layer: pages of keys and values. Pages wholly before the window are let go.
type KV struct {
	heads, dim, window int
	pages              []kernel.Page
}

// Store writes the keys and values, each [M, G, D], of the M positions from pos on.
func (kv *KV) Store(pos int, k, v []float32) {
	row := kv.heads * kv.dim
	for t := range len(k) / row {
		p, i := (pos+t)/kernel.PageLen, (pos+t)%kernel.PageLen
		for len(kv.pages) <= p {
			kv.pages = append(kv.pages, kernel.Page{})
		}
		page := &kv.pages[p]
		if page.K == nil {
			page.K = make([]float32, kernel.PageLen*row)
			page.V = make([]float32, kernel.PageLen*row)
		}
		for h := range kv.heads {
			at := (h*kernel.PageLen + i) * kv.dim
			copy(page.K[at:at+kv.dim], k[t*row+h*kv.dim:])
			copy(page.V[at:at+kv.dim], v[t*row+h*kv.dim:])
		}
	}
}

// Pages returns the pages for kernel.Attention.
func (kv *KV) Pages() []kernel.Page { return kv.pages }

// Release lets go of the pages that no token from position pos on can see.
func (kv *KV) Release(pos int) {
	if kv.window == 0 {
		return
	}
	for p := (pos-kv.window+1)/kernel.PageLen - 1; p >= 0 && kv.pages[p].K != nil; p-- {
		kv.pages[p] = kernel.Page{}
	}
}

// At returns the key and the value [D] of one position and key/value head, which share the cache's memory.
func (kv *KV) At(pos, head int) (k, v []float32) {
	page := kv.pages[pos/kernel.PageLen]
	at := (head*kernel.PageLen + pos%kernel.PageLen) * kv.dim
	return page.K[at : at+kv.dim : at+kv.dim], page.V[at : at+kv.dim : at+kv.dim]
}

// fill stores n positions of random content, page by page.
func (kv *KV) fill(n int, r *rand.Rand) {
	k, v := make([]float32, kernel.PageLen*kv.heads*kv.dim), make([]float32, kernel.PageLen*kv.heads*kv.dim)
	for pos := 0; pos < n; pos += kernel.PageLen {
		for i := range k {
			k[i], v[i] = r.Float32()-0.5, r.Float32()-0.5
		}
		rows := min(kernel.PageLen, n-pos) * kv.heads * kv.dim
		kv.Store(pos, k[:rows], v[:rows])
		kv.Release(pos + kernel.PageLen)
	}
}

func (kv *KV) clone() *KV {
	c := *kv
	c.pages = slices.Clone(kv.pages)
	for i, p := range c.pages {
		c.pages[i] = kernel.Page{K: slices.Clone(p.K), V: slices.Clone(p.V)}
	}
	return &c
}
