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
	p.linear("feed_forward.router", linear{probs, h, &f.router, nil, p.stretches})
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

	clear(out)
	f.group(p, picks)
	for lo := 0; lo < n; {
		hi := lo + 1
		for hi < n && p.ends[hi+1]-p.ends[lo] <= togetherRows {
			hi++
		}
		f.compute(p, layer, tape, lo, hi, out, h)
		lo = hi
	}
	if tape != nil {
		tape.Picks = slices.Clone(picks)
	}
}

// togetherRows is how many rows several experts may have to be computed together.
const togetherRows = 128

// group brings the numbers of the picks into the order of their experts, so that each expert's weights are read once, in
// p.groups. Those of expert e are [p.ends[e], p.ends[e+1]), ascending.
func (f *moe) group(p *Pass, picks []Pick) {
	p.ends, p.groups = append(p.ends[:0], 0), p.groups[:0]
	for e := range f.experts {
		for i, pick := range picks {
			if int(pick.Expert) == e {
				p.groups = append(p.groups, i)
			}
		}
		p.ends = append(p.ends, len(p.groups))
	}
}

// compute adds what the experts [lo, hi) make of their rows of h, in ascending order.
func (f *moe) compute(p *Pass, layer int, tape *MoETape, lo, hi int, out, h []float32) {
	mark, m, k := p.mark(), len(h)/p.rows, f.NumExpertsPerTok
	rows := p.groups[p.ends[lo]:p.ends[hi]]
	x, y := p.alloc(len(rows)*m), p.alloc(len(rows)*m)
	p.from, p.weights = p.from[:0], p.weights[:0]
	for _, i := range rows {
		p.from, p.weights = append(p.from, i/k), append(p.weights, p.picks[i].Weight)
	}
	(&kernel.Gathered{All: h, Some: x, From: p.from, N: m}).Gather()
	p.gated, p.gathered = p.gated[:0], p.gathered[:0]
	for e := lo; e < hi; e++ {
		own, first := p.groups[p.ends[e]:p.ends[e+1]], len(p.gathered)
		p.Routing.add(layer, e, len(own))
		if len(own) > 0 {
			p.gathered = gather(p.gathered, p.stretches, own, k)
			p.gated = append(p.gated, gated{&f.experts[e], len(own), p.gathered[first:]})
		}
	}
	var kept MLPTape
	if len(rows) > 0 {
		p.lap("experts: gather, add", 0, 0)
		kept = p.feedForward(p.gated, y, x)
	}
	if tape != nil {
		for e := lo; e < hi; e++ {
			tape.keep(&kept, y, p.groups[p.ends[e]:p.ends[e+1]], p.ends[e]-p.ends[lo], len(rows))
		}
	}
	(&kernel.Gathered{All: out, Some: y, From: p.from, N: m}).ScatterAdd(p.weights)
	p.release(mark)
	p.lap("experts: gather, add", 0, 0)
}

// keep appends the tape of an expert, whose picks are the rows from lo on of rows that were computed together.
func (t *MoETape) keep(all *MLPTape, y []float32, picks []int, lo, rows int) {
	part := func(x []float32) []float32 {
		if len(picks) == 0 {
			return nil
		}
		n := len(x) / rows
		return x[lo*n : (lo+len(picks))*n]
	}
	t.Experts = append(t.Experts, ExpertTape{
		Picks: slices.Clone(picks), Y: part(y),
		MLP: MLPTape{H: part(all.H), Gate: part(all.Gate), Up: part(all.Up), Act: part(all.Act)},
	})
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
