package model

import (
	"slices"

	"jamba/internal/kernel"
	"jamba/model/param"
)

// moe is a mixture of experts: each token goes to the NumExpertsPerTok experts that the router likes best, and their
// outputs are added, weighted by the router's probabilities. No token is dropped.
type moe struct {
	*MoE
	router  kernel.Matrix // [experts, M]
	experts []mlp
}

func (f *moe) forward(p *Pass, layer int, out, h []float32) {
	n := f.NumExperts
	probs := p.alloc(p.rows * n)
	p.linear("feed_forward.router", probs, h, &f.router, nil)
	if p.Probe != nil {
		p.Probe(layer, RouterLogits, probs)
	}
	for i := range p.rows {
		kernel.Softmax(probs[i*n : (i+1)*n])
	}
	var tape *MoETape
	if p.Tape != nil {
		tape = &MoETape{H: h, Probs: p.copy(probs)}
		p.Tape.Layers[layer].MoE = tape
	}
	picks := f.route(p, probs)
	p.lap("feed_forward.router", 0, 0)

	// Rows are grouped by expert, so that each expert's weights are read once; experts are added in ascending order.
	clear(out)
	m, stretches := len(h)/p.rows, p.stretches
	for e := range f.experts {
		rows := p.groups[:0]
		for i, pick := range picks {
			if int(pick.Expert) == e {
				rows = append(rows, i)
			}
		}
		p.groups = rows
		p.Routing.add(layer, e, len(rows))
		if tape != nil {
			tape.Experts = append(tape.Experts, ExpertTape{Picks: slices.Clone(rows)})
		}
		if len(rows) == 0 {
			continue
		}
		mark := p.mark()
		x, y := p.alloc(len(rows)*m), p.alloc(len(rows)*m)
		for j, i := range rows {
			copy(x[j*m:(j+1)*m], h[i/f.NumExpertsPerTok*m:])
		}
		p.gathered = gather(p.gathered, stretches, rows, f.NumExpertsPerTok)
		p.stretches = p.gathered
		kept := f.experts[e].run(p, y, x)
		p.stretches = stretches
		if tape != nil {
			tape.Experts[e].MLP, tape.Experts[e].Y = kept, y
		}
		for j, i := range rows {
			at := i / f.NumExpertsPerTok * m
			kernel.AddScaled(out[at:at+m], picks[i].Weight, y[j*m:(j+1)*m])
		}
		p.release(mark)
		p.lap("experts: gather, add", 0, 0)
	}
	if tape != nil {
		tape.Picks = slices.Clone(picks)
	}
}

func (f *moe) projections(visit projectionVisitor) {
	visit(param.Router, -1, &f.router)
	for e := range f.experts {
		f.experts[e].projections(func(part param.Part, _ int, w *kernel.Matrix) { visit(part, e, w) })
	}
}

// Pick is one expert chosen for one row.
type Pick struct {
	Expert int32
	Weight float32
}

// route returns the NumExpertsPerTok best of each row of the router's probabilities [rows, experts], which it spoils.
func (f *moe) route(p *Pass, probs []float32) []Pick {
	n, k := f.NumExperts, f.NumExpertsPerTok
	p.picks = p.picks[:0]
	for len(probs) > 0 {
		row := probs[:n]
		probs = probs[n:]
		var sum float32
		first := len(p.picks)
		for range k {
			best := -1
			for e, v := range row {
				// A NaN is never better: non-finite values are found after the layer.
				if v >= 0 && (best < 0 || v > row[best]) {
					best = e
				}
			}
			best = max(best, 0)
			p.picks = append(p.picks, Pick{int32(best), row[best]})
			sum += row[best]
			row[best] = -1
		}
		if f.NormTopKProb {
			for i := first; i < len(p.picks); i++ {
				p.picks[i].Weight /= sum
			}
		}
	}
	return p.picks
}
