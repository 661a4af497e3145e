package kernel

import (
	"fmt"
	"math"
	"slices"

	"jamba/internal/kernel/par"
)

// sumBlock is how many rows a sum over rows adds up before the blocks are: sums do not depend on the number of threads.
const sumBlock = 64

// sumRows adds to sum [n] what f adds to its own sum for each block of rows.
func sumRows(sum []float32, rows int, f func(sum []float32, lo, hi int)) {
	blocks, n := (rows+sumBlock-1)/sumBlock, len(sum)
	s := scratches.Get().(*[]float32)
	defer scratches.Put(s)
	*s = slices.Grow((*s)[:0], blocks*n)[:blocks*n]
	clear(*s)
	par.For(blocks, 1+(1<<12)/(sumBlock*n), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			f((*s)[i*n:(i+1)*n], i*sumBlock, min((i+1)*sumBlock, rows))
		}
	})
	for i := range blocks {
		Add(sum, (*s)[i*n:(i+1)*n])
	}
}

// AddRows adds all rows of x [M, N] to sum [N]: the gradient of a bias.
func AddRows(sum, x []float32) {
	n := len(sum)
	sumRows(sum, len(x)/n, func(sum []float32, lo, hi int) {
		for i := lo; i < hi; i++ {
			Add(sum, x[i*n:(i+1)*n])
		}
	})
}

// RMSNormBackward is the backward pass of RMSNorm. Rows of X and DX may lie apart. DX must not be DY.
type RMSNormBackward struct {
	DX, X           []float32 // M rows of n values, Stride apart
	Stride          int
	DY              []float32 // [M, n]
	Weight, DWeight []float32 // [n]
	Eps             float32
	Add             bool // to DX; else it is overwritten
}

// Run runs r.
func (r *RMSNormBackward) Run() {
	n := len(r.Weight)
	rows := len(r.DY) / n
	if len(r.DWeight) != n || len(r.DY) != rows*n || rows > 0 && (len(r.X) < (rows-1)*r.Stride+n || len(r.DX) < (rows-1)*r.Stride+n) {
		panic(fmt.Sprintf("kernel: RMSNormBackward with wrong shapes: %d rows of %d values", rows, n))
	}
	sumRows(r.DWeight, rows, func(sum []float32, lo, hi int) {
		for i := lo; i < hi; i++ {
			dx := r.DX[i*r.Stride : i*r.Stride+n]
			if !r.Add {
				clear(dx)
			}
			active.rmsNormBackward(dx, sum, r.DY[i*n:(i+1)*n], r.X[i*r.Stride:i*r.Stride+n], r.Weight, r.Eps)
		}
	})
}

// rmsNormBackwardGeneric adds a row's gradients: with s = 1/sqrt(mean(x²)+eps), dweight += dy·x·s and
// dx += s·weight·dy - x·s³·mean(weight·dy·x).
func rmsNormBackwardGeneric(dx, dweight, dy, x, weight []float32, eps float32) {
	var squares, sum float64
	for i, v := range x {
		squares += float64(v) * float64(v)
		sum += float64(weight[i]) * float64(dy[i]) * float64(v)
	}
	n := float64(len(x))
	s := 1 / math.Sqrt(squares/n+float64(eps))
	scale, along := float32(s), float32(s*s*s*sum/n)
	for i, v := range x {
		dweight[i] += dy[i] * (v * scale)
		dx[i] += scale*weight[i]*dy[i] - along*v
	}
}

// SiLUMulBackward is the backward pass of SiLUMul: from the gate and up that it was given and the gradient dact of its
// result it writes those of both.
func SiLUMulBackward(dgate, dup, gate, up, dact []float32) {
	par.For(len(gate), grain, func(lo, hi int) {
		for ; lo < hi; lo += grain {
			end := min(lo+grain, hi)
			active.siluMulBackward(dgate[lo:end], dup[lo:end], gate[lo:end], up[lo:end], dact[lo:end])
		}
	})
}

func siluMulBackwardGeneric(dgate, dup, gate, up, dact []float32) {
	for i, v := range gate {
		sigma := 1 / (1 + exp(-v))
		dup[i] = dact[i] * (v * sigma)
		dgate[i] = dact[i] * up[i] * (sigma + v*sigma*(1-sigma))
	}
}
