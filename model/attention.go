package model

import (
	"math"

	"jamba/internal/kernel"
	"jamba/model/param"
)

// attention is grouped-query attention (Ainslie et al. 2023).
type attention struct {
	*Attention
	qProj, kProj, vProj, oProj kernel.Matrix
	qBias, kBias, vBias, oBias []float32 // nil: none
	rope                       *ropeTable
}

func (a *attention) forward(p *Pass, layer int, out, h []float32) {
	q := p.alloc(p.rows * a.NumAttentionHeads * a.HeadDim)
	k := p.alloc(p.rows * a.NumKeyValueHeads * a.HeadDim)
	v := p.alloc(len(k))
	p.linear("self_attn.q, k, v_proj",
		linear{q, h, &a.qProj, a.qBias, p.stretches},
		linear{k, h, &a.kProj, a.kBias, p.stretches},
		linear{v, h, &a.vProj, a.vBias, p.stretches})
	if a.rope != nil {
		cos, sin := p.rotations(a.rope)
		kernel.RoPE(q, cos, sin, a.NumAttentionHeads, a.HeadDim, a.RoPE.Interleaved)
		kernel.RoPE(k, cos, sin, a.NumKeyValueHeads, a.HeadDim, a.RoPE.Interleaved)
	}
	o := q
	if p.Tape != nil {
		o = p.alloc(len(q))
		tape := &AttentionTape{Q: q, K: k, V: v, O: o}
		if a.rope != nil {
			tape.Cos, tape.Sin = p.rotations(a.rope)
		}
		p.Tape.Layers[layer].Attention = tape
	}
	kv, qs := a.NumKeyValueHeads*a.HeadDim, a.NumAttentionHeads*a.HeadDim
	p.attends = p.attends[:0]
	bytes := 0
	for i := range p.spans {
		s := &p.spans[i]
		if s.err != nil {
			continue
		}
		cache := s.State.KV(layer - p.m.stage.Lo)
		if s.failing = cache.Store(s.start, k[s.lo*kv:s.hi*kv], v[s.lo*kv:s.hi*kv]); s.failing != nil {
			continue
		}
		p.attends = append(p.attends, kernel.Attention{
			Dst: o[s.lo*qs : s.hi*qs], Q: q[s.lo*qs : s.hi*qs], Pages: cache.Pages(), DType: cache.DType(), Start: s.start,
			Window: a.SlidingWindow, Scale: float32(1 / math.Sqrt(float64(a.HeadDim))),
			M: s.hi - s.lo, H: a.NumAttentionHeads, G: a.NumKeyValueHeads, D: a.HeadDim,
		})
		bytes += p.attends[len(p.attends)-1].Bytes()
	}
	kernel.Attend(p.attends)
	p.lap("attention", bytes, 0)
	p.linear("self_attn.o_proj", linear{out, o, &a.oProj, a.oBias, p.stretches})
}

func (a *attention) projections(visit projectionVisitor) {
	visit(param.QProj, -1, &a.qProj)
	visit(param.KProj, -1, &a.kProj)
	visit(param.VProj, -1, &a.vProj)
	visit(param.OProj, -1, &a.oProj)
}

// ropeTable is a RoPE made ready for one head dimension; layers with the same settings share one.
type ropeTable struct {
	invFreq []float32
	scale   float32
}

// rotations returns the cosines and sines of all rows of the pass, made once a pass for each table.
func (p *Pass) rotations(t *ropeTable) (cos, sin []float32) {
	if p.rope != t {
		n := len(t.invFreq)
		p.rope = t
		if p.Tape != nil {
			p.cos, p.sin = p.alloc(p.rows*n), p.alloc(p.rows*n) // not to be overwritten by a layer with another table
		} else {
			p.cos, p.sin = grow(p.cos, p.rows*n), grow(p.sin, p.rows*n)
		}
		for _, s := range p.spans {
			kernel.RoPETable(p.cos[s.lo*n:s.hi*n], p.sin[s.lo*n:s.hi*n], t.invFreq, s.start, t.scale)
		}
	}
	return p.cos, p.sin
}
