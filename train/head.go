package train

import (
	"fmt"
	"maps"
	"math"

	"jamba/internal/kernel"
	"jamba/model"
	"jamba/model/param"
)

// headRows is how many rows have their logits in memory at a time.
const headRows = 256

// head computes the cross entropy of the rows of a pass that have a label, -1 being none, and returns its sum. If dx
// [rows, M] is not nil, it becomes the gradient of scale times that sum for the last layer's output, and those of the
// head's parameters are added to. A sum that is infinite or NaN is an error.
func (b *backward) head(p *model.Pass, labels []int32, dx []float32, scale float32) (sum float64, err error) {
	m, v := b.config.HiddenSize, b.config.VocabSize
	outer := b.layers[0]
	if b.config.TieWordEmbeddings {
		outer.params = maps.Clone(outer.params)
		outer.params[key{param.Head, -1, param.Weight}] = outer.get(param.Embed, param.Weight)
	}
	var rows []int // that have a label
	for i, label := range labels {
		if label >= 0 {
			rows = append(rows, i)
		}
	}
	clear(dx)
	for ; len(rows) > 0; rows = rows[min(headRows, len(rows)):] {
		some := rows[:min(headRows, len(rows))]
		mark := b.used
		x, h, logits := b.alloc(len(some)*m), b.alloc(len(some)*m), b.alloc(len(some)*v)
		targets := make([]int32, len(some))
		for j, i := range some {
			copy(x[j*m:(j+1)*m], p.Hidden()[i*m:])
			targets[j] = labels[i]
		}
		p.Head(logits, h, x)
		if b.profile != nil {
			b.profile.Lap("lm_head")
		}
		sum += kernel.CrossEntropy(logits, targets, scale)
		if dx != nil {
			dh, dsome := b.alloc(len(x)), b.alloc(len(x))
			clear(dsome)
			outer.linear(param.Head, dh, logits, h, false)
			outer.norm(param.FinalNorm, dsome, dh, x, b.config.RMSNormEps)
			for j, i := range some {
				copy(dx[i*m:(i+1)*m], dsome[j*m:])
			}
			b.lap("lm_head")
		}
		b.release(mark)
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		err = fmt.Errorf("lm_head: the loss is %v", sum)
	}
	return sum, err
}
