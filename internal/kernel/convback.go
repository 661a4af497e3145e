package kernel

import (
	"fmt"

	"jamba/internal/kernel/par"
)

// ConvBackward is the backward pass of CausalConv over several sequences that began with empty states. Of the Conv, it
// reads X, Weight and Bias of all rows.
type ConvBackward struct {
	Conv
	Ends []int     // the row after the last of each sequence, ascending
	DDst []float32 // [L, E], the gradient of Dst; replaced by that before SiLU
	DX   []float32 // L rows of E values, XStride apart: the gradient of X, written

	// The gradients of weights, added to.
	DWeight []float32 // [W, E]
	DBias   []float32 // [E], or nil
}

// Run runs c.
func (c *ConvBackward) Run() {
	if len(c.DDst) != c.L*c.E || len(c.DWeight) != c.W*c.E || (c.DBias == nil) != (c.Bias == nil) || c.L > 0 && len(c.DX) < (c.L-1)*c.XStride+c.E ||
		c.L > 0 && c.Ends[len(c.Ends)-1] != c.L {
		panic(fmt.Sprintf("kernel: ConvBackward with wrong shapes: L %d E %d W %d", c.L, c.E, c.W))
	}
	const width = 8
	par.For((c.E+width-1)/width, 1+grain/max(1, c.L*c.W*width), func(lo, hi int) {
		begin := 0
		for _, end := range c.Ends {
			active.convBackward(c, lo*width, min(hi*width, c.E), begin, end)
			begin = end
		}
	})
}

// convBackwardGeneric computes the channels [lo, hi) of the sequence in the rows [begin, end).
func convBackwardGeneric(c *ConvBackward, lo, hi, begin, end int) {
	for t := begin; t < end && lo < hi; t++ {
		d := c.DDst[t*c.E : (t+1)*c.E]
		first := max(0, begin-(t-c.W+1)) // tap on a token of the sequence
		for e := lo; e < hi; e++ {
			var v float32
			if c.Bias != nil {
				v = c.Bias[e]
			}
			for j := first; j < c.W; j++ {
				v += c.Weight[j*c.E+e] * c.X[(t-c.W+1+j)*c.XStride+e]
			}
			d[e] *= siluDerivative(v)
			if c.DBias != nil {
				c.DBias[e] += d[e]
			}
			for j := first; j < c.W; j++ {
				c.DWeight[j*c.E+e] += d[e] * c.X[(t-c.W+1+j)*c.XStride+e]
			}
		}
	}
	for t := begin; t < end && lo < hi; t++ {
		dx := c.DX[t*c.XStride+lo : t*c.XStride+hi]
		clear(dx)
		for j := range c.W {
			if to := t + c.W - 1 - j; to < end {
				w := c.Weight[j*c.E+lo : j*c.E+hi]
				for e, d := range c.DDst[to*c.E+lo : to*c.E+hi] {
					dx[e] += w[e] * d
				}
			}
		}
	}
}

// siluDerivative returns the derivative of silu.
func siluDerivative(x float32) float32 {
	sigma := 1 / (1 + exp(-x))
	return sigma + x*sigma*(1-sigma)
}
