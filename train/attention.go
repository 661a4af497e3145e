package train

import (
	"math"

	"jamba/internal/kernel"
	"jamba/model"
	"jamba/model/param"
)

// attention writes to dh the gradient of an attention mixer's input, from that of its output.
func (b *backward) attention(l layer, t *model.LayerTape, c *model.Attention, dh, dout []float32) {
	a := t.Attention
	mark := b.used
	do, dq, dk, dv := b.alloc(len(a.O)), b.alloc(len(a.Q)), b.alloc(len(a.K)), b.alloc(len(a.V))
	l.linear(param.OProj, do, dout, a.O, false)
	b.lap("self_attn.proj")
	core := kernel.AttentionBackward{
		Q: a.Q, O: a.O, DO: do, K: a.K, V: a.V, DQ: dq, DK: dk, DV: dv, Ends: b.ends, Window: c.SlidingWindow,
		Scale: float32(1 / math.Sqrt(float64(c.HeadDim))), L: b.rows, H: c.NumAttentionHeads, G: c.NumKeyValueHeads, D: c.HeadDim,
	}
	core.Run()
	if a.Cos != nil {
		// The other way round.
		sin := b.alloc(len(a.Sin))
		for i, v := range a.Sin {
			sin[i] = -v
		}
		kernel.RoPE(dq, a.Cos, sin, c.NumAttentionHeads, c.HeadDim, c.RoPE.Interleaved)
		kernel.RoPE(dk, a.Cos, sin, c.NumKeyValueHeads, c.HeadDim, c.RoPE.Interleaved)
	}
	b.lap("attention")
	l.linear(param.QProj, dh, dq, t.H, false)
	l.linear(param.KProj, dh, dk, t.H, true)
	l.linear(param.VProj, dh, dv, t.H, true)
	b.lap("self_attn.proj")
	b.release(mark)
}
