package model

import (
	"slices"

	"jamba/model/param"
	"jamba/tensor"
)

// Rows of q and k that rotary embedding rotates together lie side by side in GGUF files of some architectures, and half a
// head apart in Hugging Face's layout, which adapters are made for.

// Rotated returns the attention whose rotary embedding rotates the rows of a part, q or k; nil: they are not rotated.
func (c *Config) Rotated(id param.ID) *Attention {
	if id.Part != param.QProj && id.Part != param.KProj {
		return nil
	}
	if a := c.Layers[id.Layer].Attention; a != nil && a.RoPE != nil {
		return a
	}
	return nil
}

// HalvesRow returns where the row that lies at i in pairs lies half a head apart.
func HalvesRow(i, headDim int) int { return i/headDim*headDim + i%2*(headDim/2) + i%headDim/2 }

// inPairs reports whether c's rows lie in pairs.
func (c *Config) inPairs() bool {
	return slices.ContainsFunc(c.Layers, func(l Layer) bool {
		return l.Attention != nil && l.Attention.RoPE != nil && l.Attention.RoPE.Interleaved
	})
}

// inHalves returns c for rows that lie half a head apart.
func (c Config) inHalves() Config {
	attentions, ropes := map[*Attention]*Attention{}, map[*RoPE]*RoPE{}
	c.Layers = slices.Clone(c.Layers)
	for i, l := range c.Layers {
		if l.Attention == nil || l.Attention.RoPE == nil {
			continue
		}
		r := ropes[l.Attention.RoPE]
		if r == nil {
			own := *l.Attention.RoPE
			own.Interleaved = false
			r = &own
			ropes[l.Attention.RoPE] = r
		}
		a := attentions[l.Attention]
		if a == nil {
			own := *l.Attention
			own.RoPE = r
			a = &own
			attentions[l.Attention] = a
		}
		c.Layers[i].Attention = a
	}
	return c
}

// halves returns a copy of the rows of t, which lie in pairs, half a head apart.
func halves(t tensor.Tensor, headDim int) tensor.Tensor {
	rows := t.Shape[0]
	size, data := len(t.Data)/rows, make([]byte, len(t.Data))
	for from := range rows {
		to := HalvesRow(from, headDim)
		copy(data[to*size:(to+1)*size], t.Data[from*size:(from+1)*size])
	}
	t.Data = data
	return t
}
