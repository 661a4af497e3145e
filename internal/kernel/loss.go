package kernel

import (
	"fmt"
	"math"

	"jamba/internal/kernel/par"
)

// CrossEntropy computes the loss -log softmax(logits)[label] of each row of logits [M, N] that has a label of 0 or more,
// and returns their sum. It replaces logits by the gradient of scale times that sum; rows without a label become 0.
func CrossEntropy(logits []float32, labels []int32, scale float32) float64 {
	m := len(labels)
	if m == 0 {
		return 0
	}
	n := len(logits) / m
	if len(logits) != m*n {
		panic(fmt.Sprintf("kernel: CrossEntropy of %d logits and %d labels", len(logits), m))
	}
	losses := make([]float64, m)
	par.For(m, 1+grain/n, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row, label := logits[i*n:(i+1)*n], labels[i]
			if label < 0 {
				clear(row)
				continue
			}
			own := row[label]
			top, sum := expRow(row)
			losses[i] = math.Log(float64(sum)) + float64(top) - float64(own)
			factor := scale / sum
			for j := range row {
				row[j] *= factor
			}
			row[label] -= scale
		}
	})
	var sum float64
	for _, v := range losses {
		sum += v
	}
	return sum
}

// expRow replaces x by exp(x-top), where top is the largest of x, and returns it and the sum.
func expRow(x []float32) (top, sum float32) {
	whole := len(x) &^ 7
	top = float32(math.Inf(-1))
	if whole > 0 {
		top = active.max(x[:whole])
	}
	for _, v := range x[whole:] {
		top = max(top, v)
	}
	if whole > 0 {
		sum = active.expSum(x[:whole], top)
	}
	for i, v := range x[whole:] {
		v = exp(v - top)
		x[whole+i] = v
		sum += v
	}
	return top, sum
}
