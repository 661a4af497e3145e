package kernel

import "math"

// avx2Backward follows the rules of avx2.
var avx2Backward = backward{
	product:         productAVX2,
	productT:        productTAVX2,
	copyPanel:       copyPanelAVX2Rows,
	gather:          gatherAVX2Rows,
	scanBackward:    scanBackwardAVX2Panel,
	sumLanes:        sumLanesAVX2Slice,
	convBackward:    convBackwardAVX2Rows,
	rmsNormBackward: rmsNormBackwardAVX2,
	siluMulBackward: siluMulBackwardAVX2Slice,
	adamW:           adamWAVX2Slice,
}

var productTTiles = [productRows + 1]func(dst *float32, ldd int, x *float32, ldx int, w *float32, k int, add bool){
	1: productTx1, 2: productTx2, 3: productTx3, 4: productTx4, 5: productTx5, 6: productTx6,
}

func productAVX2(dst []float32, ldd int, x []float32, ldx int, w []float32, m, k int, add bool) {
	dst, x, w = dst[:(m-1)*ldd+productColumns], x[:(m-1)*ldx+k], w[:k*productColumns]
	gemmF32AVX2.tiles[m-1](&dst[0], ldd, &x[0], ldx, &w[0], productColumns, k, add)
}

func productTAVX2(dst []float32, ldd int, x []float32, ldx int, w []float32, m, k int, add bool) {
	dst, x, w = dst[:(m-1)*ldd+productColumns], x[:(k-1)*ldx+m], w[:k*productColumns]
	productTTiles[m](&dst[0], ldd, &x[0], ldx, &w[0], k, add)
}

func copyPanelAVX2Rows(dst, src []float32, ldsrc, k int) {
	dst, src = dst[:k*productColumns], src[:(k-1)*ldsrc+productColumns]
	copyPanelAVX2(&dst[0], &src[0], ldsrc, k)
}

func gatherAVX2Rows(dst, src []float32, ldsrc, tiles, k int) {
	dst, src = dst[:tiles*k*productRows], src[:(k-1)*ldsrc+tiles*productRows]
	gatherAVX2(&dst[0], &src[0], ldsrc, tiles, k)
}

func sumLanesAVX2Slice(dst, lanes []float32) {
	lanes = lanes[:len(dst)*scanLanes]
	sumLanesAVX2(&dst[0], &lanes[0], len(dst))
}

// scanBackwardRows are pointers to a row of each operand of a scan's backward pass.
type scanBackwardRows struct {
	x, dt, dy, dx, ddt    *float32
	z, dz                 *float32
	b, c                  *float32
	before, after, decays *float32
	sums, lanes           *float32
	a, da, dh, d, dd      *float32
}

func scanBackwardAVX2Panel(s *ScanBackward, w *scanWork, p, lo, hi int) {
	at, l, n := p*ScanPanel, hi-lo, s.S
	if at+ScanPanel > s.E {
		scanBackwardGeneric(s, w, p, lo, hi)
		return
	}
	a, da := s.A[at*n:(at+ScanPanel)*n], s.DA[at*n:(at+ScanPanel)*n]
	first, last, end := lo*s.E+at, (hi-1)*s.E+at, (hi-1)*s.E+at+ScanPanel
	x, dt, dy, dx, ddt := s.X[:end], s.Dt[:end], s.DY[:end], s.DX[:end], s.DDt[:end]
	b, c := s.B[:hi*n], s.C[:hi*n]
	z, dz := s.Z[:(hi-1)*s.ZStride+at+ScanPanel], s.DZ[:(hi-1)*s.ZStride+at+ScanPanel]
	// The states and decays of a chunk's rows follow each other in memory.
	scanStatesAVX2(&x[first], &dt[first], s.E, &b[lo*n], &c[lo*n], n, &a[0], &w.states[0][0], &w.decays[0][0], &w.sums[0], l, n)
	rows := scanBackwardRows{
		x: &x[last], dt: &dt[last], dy: &dy[last], dx: &dx[last], ddt: &ddt[last], z: &z[(hi-1)*s.ZStride+at], dz: &dz[(hi-1)*s.ZStride+at],
		b: &b[(hi-1)*n], c: &c[(hi-1)*n], before: &w.states[l-1][0], after: &w.states[l][0], decays: &w.decays[l-1][0],
		sums: &w.sums[(l-1)*ScanPanel], lanes: &w.lanes[(l-1)*n*2*scanLanes],
		a: &a[0], da: &da[0], dh: &w.dh[0], d: &s.D[at : at+ScanPanel][0], dd: &s.DD[at : at+ScanPanel][0],
	}
	scanBackwardAVX2(&rows.x, s.E, s.ZStride, n, l, n)
}

func convBackwardAVX2Rows(c *ConvBackward, lo, hi, begin, end int) {
	whole := lo + (hi-lo)&^7
	if c.W > maxTaps {
		whole = lo
	}
	if whole < hi {
		convBackwardGeneric(c, whole, hi, begin, end)
	}
	if whole == lo {
		return
	}
	none := make([]float32, 2*(whole-lo)) // in the place of inputs that there are not
	bias, dbias := none, none[whole-lo:]
	if c.Bias != nil {
		bias, dbias = c.Bias[lo:whole], c.DBias[lo:whole]
	}
	var zero [maxTaps]*float32
	for j := range zero {
		zero[j] = &none[0]
	}
	in := zero
	for t := begin; t < end; t++ {
		for j := range c.W {
			if from := t - c.W + 1 + j; from >= begin {
				in[j] = &c.X[from*c.XStride+lo : from*c.XStride+whole][0]
			}
		}
		convBackwardAVX2(&c.DDst[t*c.E+lo : t*c.E+whole][0], &bias[0], &dbias[0], &c.Weight[lo], &c.DWeight[lo], c.E, &in[0], c.W, whole-lo)
	}
	for t := begin; t < end; t++ {
		in = zero
		for j := range c.W {
			if to := t + c.W - 1 - j; to < end {
				in[j] = &c.DDst[to*c.E+lo : to*c.E+whole][0]
			}
		}
		convSumAVX2(&c.DX[t*c.XStride+lo : t*c.XStride+whole][0], &c.Weight[lo], c.E, &in[0], c.W, whole-lo)
	}
}

func rmsNormBackwardAVX2(dx, dweight, dy, x, weight []float32, eps float32) {
	whole := len(x) &^ 7
	var squares, sum float64
	if whole > 0 {
		squares, sum = sumSquares8(&x[0], whole), float64(sumProductsAVX2(&dy[0], &weight[0], &x[0], whole))
	}
	for i := whole; i < len(x); i++ {
		squares += float64(x[i]) * float64(x[i])
		sum += float64(weight[i]) * float64(dy[i]) * float64(x[i])
	}
	n := float64(len(x))
	s := 1 / math.Sqrt(squares/n+float64(eps))
	scale, along := float32(s), float32(s*s*s*sum/n)
	if whole > 0 {
		normBackwardAVX2(&dx[0], &dweight[0], &dy[0], &x[0], &weight[0], whole, scale, along)
	}
	for i := whole; i < len(x); i++ {
		dweight[i] += dy[i] * (x[i] * scale)
		dx[i] += scale*weight[i]*dy[i] - along*x[i]
	}
}

func siluMulBackwardAVX2Slice(dgate, dup, gate, up, dact []float32) {
	whole := len(gate) &^ 7
	if whole > 0 {
		siluMulBackwardAVX2(&dgate[0], &dup[0], &gate[0], &up[0], &dact[0], whole)
	}
	if whole < len(gate) {
		// The same code for the rest: an element's value must not depend on where its slice ends.
		var x [5][8]float32
		for i, from := range [][]float32{2: gate, 3: up, 4: dact} {
			if from != nil {
				copy(x[i][:], from[whole:])
			}
		}
		siluMulBackwardAVX2(&x[0][0], &x[1][0], &x[2][0], &x[3][0], &x[4][0], 8)
		copy(dgate[whole:], x[0][:])
		copy(dup[whole:], x[1][:])
	}
}

func adamWAVX2Slice(a *AdamW, x, grad, m, v []float32) {
	whole := len(x) &^ 7
	if whole > 0 {
		adamWAVX2(&x[0], &grad[0], &m[0], &v[0], whole, &a.Scale)
	}
	if whole < len(x) {
		// The same code for the rest, as above.
		var rest [4][8]float32
		all := [][]float32{x[whole:], grad[whole:], m[whole:], v[whole:]}
		for i, from := range all {
			copy(rest[i][:], from)
		}
		adamWAVX2(&rest[0][0], &rest[1][0], &rest[2][0], &rest[3][0], 8, &a.Scale)
		for i, to := range all {
			if i != 1 {
				copy(to, rest[i][:])
			}
		}
	}
}
