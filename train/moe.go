package train

import (
	"jamba/internal/kernel"
	"jamba/internal/kernel/par"
	"jamba/model"
	"jamba/model/param"
)

// grain is how many rows make a thread worth waking.
const grain = 64

// moe writes to dh the gradient of a mixture's input, from that of its output.
func (b *backward) moe(l layer, t *model.MoETape, c *model.MoE, dh, dout []float32) {
	n, k, m := c.NumExperts, c.NumExpertsPerTok, b.config.HiddenSize
	mark := b.used
	clear(dh)
	dpicks := b.alloc(len(t.Picks)) // the gradients of the picks' weights
	for e := range t.Experts {
		x := &t.Experts[e]
		rows := len(x.Picks)
		if rows == 0 {
			continue
		}
		inner := b.used
		dy, dx := b.alloc(rows*m), b.alloc(rows*m)
		par.For(rows, grain, func(lo, hi int) {
			for j, i := range x.Picks[lo:hi] {
				j += lo
				from, y := dout[i/k*m:(i/k+1)*m], x.Y[j*m:(j+1)*m]
				var sum float32
				for q, v := range from {
					sum += v * y[q]
					dy[j*m+q] = v * t.Picks[i].Weight
				}
				dpicks[i] = sum
			}
		})
		b.lap("experts: gather, add")
		b.mlp(l.of(e), &x.MLP, dx, dy)
		par.For(rows, grain, func(lo, hi int) { // an expert has a row but once
			for j, i := range x.Picks[lo:hi] {
				j += lo
				kernel.Add(dh[i/k*m:(i/k+1)*m], dx[j*m:(j+1)*m])
			}
		})
		b.lap("experts: gather, add")
		b.release(inner)
	}

	dlogits := b.alloc(len(t.Probs))
	for i := range b.rows {
		row, picks, d := dlogits[i*n:(i+1)*n], t.Picks[i*k:(i+1)*k], dpicks[i*k:(i+1)*k]
		clear(row)
		copy(row, b.aux)
		if c.NormTopKProb {
			normTopK(d, picks, t.Probs[i*n:(i+1)*n])
		}
		for j, p := range picks {
			row[p.Expert] += d[j]
		}
		softmax(row, t.Probs[i*n:(i+1)*n])
	}
	l.linear(param.Router, dh, dlogits, t.H, true)
	b.lap("feed_forward.router")
	b.release(mark)
}

// normTopK turns the gradients of weights that were divided by their sum into those of the probabilities.
func normTopK(d []float32, picks []model.Pick, probs []float32) {
	var sum, along float32
	for j, p := range picks {
		sum += probs[p.Expert]
		along += d[j] * p.Weight
	}
	for j := range d {
		d[j] = (d[j] - along) / sum
	}
}

// softmax turns the gradient of probabilities into that of their logits.
func softmax(d, probs []float32) {
	var along float32
	for i, v := range d {
		along += v * probs[i]
	}
	for i := range d {
		d[i] = probs[i] * (d[i] - along)
	}
}

// balance is the load-balancing loss (Fedus et al. 2021, section 2.2) over all routers of a tape: experts times the sum
// over experts of the share of rows that picked it times its mean probability. Picks of a row are counted one by one, so
// perfect balance gives their number, not 1. No gradient flows through the counts.
//
// It returns the loss and its gradient for each probability, which is the same in all rows, [experts]; nil without MoE.
func balance(tape *model.Tape) (loss float64, grad []float32) {
	var count, mean []float64
	rows := 0
	for _, l := range tape.Layers {
		if l.MoE == nil {
			continue
		}
		n := len(l.MoE.Experts)
		if count == nil {
			count, mean = make([]float64, n), make([]float64, n)
		}
		for _, p := range l.MoE.Picks {
			count[p.Expert]++
		}
		for i, v := range l.MoE.Probs {
			mean[i%n] += float64(v)
		}
		rows += len(l.MoE.Probs) / n
	}
	if rows == 0 {
		return 0, nil
	}
	grad = make([]float32, len(count))
	for e := range count {
		share := float64(len(count)) * count[e] / float64(rows)
		loss += share * mean[e] / float64(rows)
		grad[e] = float32(share / float64(rows))
	}
	return loss, grad
}
