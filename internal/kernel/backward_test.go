package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"jamba/internal/kernel/par"
)

// differences returns the gradient of f for each value of x, by central differences in float64. f reads x.
func differences(x []float64, f func() float64) []float64 {
	const step = 1e-5
	grad := make([]float64, len(x))
	for i, v := range x {
		x[i] = v + step
		up := f()
		x[i] = v - step
		grad[i] = (up - f()) / (2 * step)
		x[i] = v
	}
	return grad
}

func wide(x []float32) []float64 {
	w := make([]float64, len(x))
	for i, v := range x {
		w[i] = float64(v)
	}
	return w
}

// nearNorm compares a gradient with another: the norm of the difference may be tol times the other's.
func nearNorm(t *testing.T, what string, got []float32, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	var off, norm float64
	for i, v := range got {
		off += (float64(v) - want[i]) * (float64(v) - want[i])
		norm += want[i] * want[i]
	}
	if off, norm = math.Sqrt(off), math.Sqrt(norm); !(off <= tol*norm+1e-7) {
		t.Errorf("%s: off by %.2g of %.2g", what, off, norm)
	}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// weighted is Σ w·x, a loss whose gradient for x is w.
func weighted(w []float32, x []float64) float64 {
	sum := 0.0
	for i, v := range x {
		sum += float64(w[i]) * v
	}
	return sum
}

func TestScanBackward(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	for _, shape := range []struct {
		ends []int
		e, s int
	}{{[]int{1}, 1, 1}, {[]int{3, 8}, 16, 3}, {[]int{35, 36}, 17, 2}, {[]int{2*ScanChunk + 1}, 16, 1}, {[]int{2, 5}, 300, 2}} {
		l, e, s := shape.ends[len(shape.ends)-1], shape.e, shape.s
		stride, state := e+1, ScanPanels(e)*ScanPanel*s
		sc := ScanBackward{
			Scan: Scan{X: random(r, l*e), Dt: make([]float32, l*e), Z: random(r, l*stride), ZStride: stride, B: random(r, l*s), C: random(r, l*s), A: random(r, state), D: random(r, e), L: l, E: e, S: s},
			Ends: shape.ends, DY: random(r, l*e), DX: random(r, l*e), DDt: random(r, l*e), DZ: random(r, l*stride), DB: random(r, l*s), DC: random(r, l*s),
		}
		raw := random(r, l*e) // dt before softplus
		for i, v := range raw {
			sc.Dt[i] = float32(math.Log1p(math.Exp(float64(v))))
		}
		for i, v := range sc.A {
			sc.A[i] = -float32(math.Abs(float64(v)))
		}
		da, dd := random(r, state), random(r, e) // are added to
		sc.DA, sc.DD = slices.Clone(da), slices.Clone(dd)
		// The states before each chunk, from the forward pass.
		begin := 0
		for _, end := range shape.ends {
			h := make([]float32, state)
			for lo := begin; lo < end; lo += ScanChunk {
				hi := min(lo+ScanChunk, end)
				sc.States = append(sc.States, slices.Clone(h))
				SelectiveScan([]Scan{{
					Y: make([]float32, (hi-lo)*e), X: sc.X[lo*e : hi*e], Dt: sc.Dt[lo*e : hi*e], Z: sc.Z[lo*stride:], ZStride: stride,
					B: sc.B[lo*s : hi*s], C: sc.C[lo*s : hi*s], A: sc.A, D: sc.D, H: h, Cuts: []Cut{{hi - lo, h}}, L: hi - lo, E: e, S: s,
				}})
			}
			begin = end
		}
		gate := slices.Clone(sc.DZ)
		sc.Run()
		for i := range gate { // the rest of DZ's rows belongs to others
			if i%stride >= e && gate[i] != sc.DZ[i] {
				t.Fatalf("value %d beside DZ has changed", i)
			}
		}

		x, dt, z, b, c, a, d := wide(sc.X), wide(raw), wide(sc.Z), wide(sc.B), wide(sc.C), wide(sc.A), wide(sc.D)
		loss := func() float64 {
			h, sum, begin := make([]float64, s), 0.0, 0
			for _, end := range shape.ends {
				for ch := range e {
					clear(h)
					for t := begin; t < end; t++ {
						dt, y := math.Log1p(math.Exp(dt[t*e+ch])), d[ch]*x[t*e+ch]
						for n := range s {
							a := a[(ch/ScanPanel*s+n)*ScanPanel+ch%ScanPanel]
							h[n] = math.Exp(dt*a)*h[n] + dt*x[t*e+ch]*b[t*s+n]
							y += h[n] * c[t*s+n]
						}
						z := z[t*stride+ch]
						sum += float64(sc.DY[t*e+ch]) * y * z * sigmoid(z)
					}
				}
				begin = end
			}
			return sum
		}
		minus := func(x, before []float32) []float32 {
			x = slices.Clone(x)
			for i, v := range before {
				x[i] -= v
			}
			return x
		}
		rows := func(x []float32) (own []float32) {
			for t := range l {
				own = append(own, x[t*stride:t*stride+e]...)
			}
			return own
		}
		const tol = 2e-5
		if e < 100 { // too many for differences
			nearNorm(t, "x", sc.DX, differences(x, loss), tol)
			nearNorm(t, "dt", sc.DDt, differences(dt, loss), tol)
			var dz []float64
			for i, v := range differences(z, loss) {
				if i%stride < e {
					dz = append(dz, v)
				}
			}
			nearNorm(t, "z", rows(sc.DZ), dz, tol)
			nearNorm(t, "A", minus(sc.DA, da), differences(a, loss), tol)
			nearNorm(t, "D", minus(sc.DD, dd), differences(d, loss), tol)
		}
		nearNorm(t, "B", sc.DB, differences(b, loss), tol)
		nearNorm(t, "C", sc.DC, differences(c, loss), tol)
		if t.Failed() {
			t.Fatalf("shape %+v", shape)
		}
	}
}

// TestScanBackwardSmallSteps asserts that the derivative of softplus keeps its relative precision where time steps are
// small, which is where they begin.
func TestScanBackwardSmallSteps(t *testing.T) {
	for _, raw := range []float64{-16, -12, -9, -6.9, -3, -0.5, 0, 1, 3, 10, 19, 25, 80, 200} {
		const e = ScanPanel
		one := func(v float64) []float32 { return slices.Repeat([]float32{float32(v)}, e) }
		dt := raw
		if raw < 20 {
			dt = math.Log1p(math.Exp(raw))
		}
		sc := ScanBackward{
			// Without decay, y = dt·x·B·C·silu(z).
			Scan: Scan{X: one(1), Dt: one(dt), Z: one(2), ZStride: e, B: []float32{1}, C: []float32{1}, A: one(-1e-30), D: one(0), L: 1, E: e, S: 1},
			Ends: []int{1}, States: [][]float32{make([]float32, e)}, DY: one(1), DX: one(0), DDt: one(0), DZ: one(0), DB: one(0)[:1], DC: one(0)[:1], DA: one(0), DD: one(0),
		}
		sc.Run()
		want := 2 * sigmoid(2) * sigmoid(raw)
		for _, v := range sc.DDt {
			if !(math.Abs(float64(v)-want) <= 1e-6*want) {
				t.Errorf("dt before softplus is %v: gradient %v, want %v", raw, v, want)
				break
			}
		}
	}
}

func TestConvBackward(t *testing.T) {
	r := rand.New(rand.NewPCG(43, 44))
	for _, shape := range []struct {
		ends []int
		e, w int
		bias bool
	}{{[]int{1}, 1, 1, true}, {[]int{2, 9}, 16, 4, true}, {[]int{1, 2, 7}, 13, 3, false}, {[]int{12}, 8, 9, true}, {[]int{5}, 30, 2, true}} {
		l, e, w := shape.ends[len(shape.ends)-1], shape.e, shape.w
		stride := 2*e + 1
		c := ConvBackward{
			Conv: Conv{X: random(r, l*stride), XStride: stride, Weight: random(r, w*e), L: l, E: e, W: w},
			Ends: shape.ends, DX: random(r, l*stride),
		}
		dy, dweight, dbias := random(r, l*e), random(r, w*e), random(r, e)
		c.DDst, c.DWeight = slices.Clone(dy), slices.Clone(dweight)
		bias := make([]float64, e)
		if shape.bias {
			c.Bias, c.DBias = random(r, e), slices.Clone(dbias)
			bias = wide(c.Bias)
		}
		beside := slices.Clone(c.DX)
		c.Run()
		x, weight := wide(c.X), wide(c.Weight)
		loss := func() float64 {
			sum, begin := 0.0, 0
			for _, end := range shape.ends {
				for t := begin; t < end; t++ {
					for ch := range e {
						v := bias[ch]
						for j := range w {
							if from := t - w + 1 + j; from >= begin {
								v += weight[j*e+ch] * x[from*stride+ch]
							}
						}
						sum += float64(dy[t*e+ch]) * v * sigmoid(v)
					}
				}
				begin = end
			}
			return sum
		}
		dx := differences(x, loss)
		for i := range dx {
			if i%stride >= e {
				dx[i] = float64(beside[i]) // not to be touched
			}
		}
		nearNorm(t, "x", c.DX, dx, 1e-5)
		for i, v := range dweight {
			c.DWeight[i] -= v
		}
		nearNorm(t, "weight", c.DWeight, differences(weight, loss), 1e-5)
		if shape.bias {
			for i, v := range dbias {
				c.DBias[i] -= v
			}
			nearNorm(t, "bias", c.DBias, differences(bias, loss), 1e-5)
		}
		if t.Failed() {
			t.Fatalf("shape %+v", shape)
		}
	}
}

func TestRMSNormBackward(t *testing.T) {
	r := rand.New(rand.NewPCG(45, 46))
	for _, shape := range [][2]int{{1, 1}, {3, 8}, {5, 13}, {2*sumBlock + 3, 16}} {
		m, n := shape[0], shape[1]
		stride := n + 3
		const eps = 0.1
		x, dy, dweight, before := random(r, m*stride), random(r, m*n), random(r, n), random(r, m*stride)
		b := RMSNormBackward{X: x, Stride: stride, DY: dy, Weight: random(r, n), Eps: eps}
		wx, ww := wide(x), wide(b.Weight)
		loss := func() float64 {
			total := 0.0
			for i := range m {
				row := wx[i*stride : i*stride+n]
				sum := 0.0
				for _, v := range row {
					sum += v * v
				}
				for j, v := range row {
					total += float64(dy[i*n+j]) * ww[j] * v / math.Sqrt(sum/float64(n)+eps)
				}
			}
			return total
		}
		dx, dw := differences(wx, loss), differences(ww, loss)
		for _, add := range []bool{false, true} {
			b.Add, b.DX, b.DWeight = add, slices.Clone(before), slices.Clone(dweight)
			b.Run()
			want := slices.Clone(dx)
			for i := range want {
				if i%stride >= n {
					want[i] = float64(before[i])
				} else if add {
					want[i] += float64(before[i])
				}
			}
			nearNorm(t, "x", b.DX, want, 1e-5)
			for i, v := range dweight {
				b.DWeight[i] -= v
			}
			nearNorm(t, "weight", b.DWeight, dw, 1e-5)
		}
	}
}

func TestSiLUMulBackward(t *testing.T) {
	r := rand.New(rand.NewPCG(47, 48))
	for _, n := range []int{1, 8, 21} {
		gate, up, dact := random(r, n), random(r, n), random(r, n)
		dgate, dup := make([]float32, n), make([]float32, n)
		SiLUMulBackward(dgate, dup, gate, up, dact)
		g, u := wide(gate), wide(up)
		loss := func() float64 {
			sum := 0.0
			for i, v := range g {
				sum += float64(dact[i]) * v * sigmoid(v) * u[i]
			}
			return sum
		}
		nearNorm(t, "gate", dgate, differences(g, loss), 1e-5)
		nearNorm(t, "up", dup, differences(u, loss), 1e-5)
	}
}

func TestCrossEntropy(t *testing.T) {
	r := rand.New(rand.NewPCG(49, 50))
	for _, n := range []int{1, 8, 37} {
		labels := []int32{0, -1, int32(n - 1), int32(n / 2)}
		logits := random(r, len(labels)*n)
		for i := range logits {
			logits[i] *= 5
		}
		const scale = 0.3
		x := wide(logits)
		loss := func() float64 {
			total := 0.0
			for i, label := range labels {
				if label < 0 {
					continue
				}
				sum := 0.0
				for _, v := range x[i*n : (i+1)*n] {
					sum += math.Exp(v)
				}
				total += math.Log(sum) - x[i*n+int(label)]
			}
			return total
		}
		want := differences(x, loss)
		for i := range want {
			want[i] *= scale
		}
		if got := CrossEntropy(logits, labels, scale); math.Abs(got-loss()) > 1e-5*(1+loss()) {
			t.Errorf("%d classes: loss %v, want %v", n, got, loss())
		}
		nearNorm(t, "logits", logits, want, 1e-5)
	}
	// Large logits are no overflow.
	if got := CrossEntropy([]float32{1000, -1000}, []int32{1}, 1); math.Abs(got-2000) > 1e-3 {
		t.Errorf("loss %v, want 2000", got)
	}
	if got := CrossEntropy(nil, nil, 1); got != 0 {
		t.Errorf("loss of nothing %v", got)
	}
}

func TestAttentionBackward(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 52))
	for _, shape := range []struct {
		ends            []int
		h, g, d, window int
	}{{[]int{1}, 1, 1, 1, 0}, {[]int{4, 9}, 4, 2, 5, 0}, {[]int{attentionChunk + 3}, 2, 1, 2, 0}, {[]int{11, 12}, 2, 2, 16, 3}, {[]int{attentionChunk + 9}, 1, 1, 3, 7}} {
		l, h, g, d := shape.ends[len(shape.ends)-1], shape.h, shape.g, shape.d
		a := AttentionBackward{
			Q: random(r, l*h*d), O: make([]float32, l*h*d), DO: random(r, l*h*d), K: random(r, l*g*d), V: random(r, l*g*d),
			Ends: shape.ends, Window: shape.window, Scale: 0.7, L: l, H: h, G: g, D: d,
			DQ: random(r, l*h*d), DK: random(r, l*g*d), DV: random(r, l*g*d),
		}
		q, k, v := wide(a.Q), wide(a.K), wide(a.V)
		forward := func() []float64 {
			out, begin := make([]float64, l*h*d), 0
			for _, end := range shape.ends {
				for t := begin; t < end; t++ {
					for head := range h {
						kv, first := head/(h/g), begin
						if shape.window > 0 {
							first = max(begin, t-shape.window+1)
						}
						total := 0.0
						o := out[(t*h+head)*d : (t*h+head+1)*d]
						for at := first; at <= t; at++ {
							score := 0.0
							for i := range d {
								score += q[(t*h+head)*d+i] * k[(at*g+kv)*d+i]
							}
							w := math.Exp(score * float64(a.Scale))
							total += w
							for i := range d {
								o[i] += w * v[(at*g+kv)*d+i]
							}
						}
						for i := range o {
							o[i] /= total
						}
					}
				}
				begin = end
			}
			return out
		}
		for i, v := range forward() {
			a.O[i] = float32(v)
		}
		a.Run()
		loss := func() float64 { return weighted(a.DO, forward()) }
		nearNorm(t, "q", a.DQ, differences(q, loss), 1e-5)
		nearNorm(t, "k", a.DK, differences(k, loss), 1e-5)
		nearNorm(t, "v", a.DV, differences(v, loss), 1e-5)
		if t.Failed() {
			t.Fatalf("shape %+v", shape)
		}
	}
}

func TestAddRows(t *testing.T) {
	for _, m := range []int{0, 1, sumBlock + 1} {
		x, sum, want := make([]float32, 3*m), []float32{1, 2, 3}, []float32{1, 2, 3}
		for i := range x {
			x[i] = float32(i % 7)
			want[i%3] += x[i]
		}
		AddRows(sum, x)
		if !slices.Equal(sum, want) {
			t.Errorf("%d rows: %v, want %v", m, sum, want)
		}
	}
}

// TestBackwardThreads asserts that gradients do not depend on the number of threads.
func TestBackwardThreads(t *testing.T) {
	defer par.SetThreads(0)
	var want [][]float32
	for threads := 1; threads <= 4; threads++ {
		par.SetThreads(threads)
		r := rand.New(rand.NewPCG(53, 54))
		const l, e, s, h, d = 150, 100, 4, 4, 8
		ends := []int{70, l}
		sc := ScanBackward{
			Scan: Scan{X: random(r, l*e), Dt: random(r, l*e), Z: random(r, l*e), ZStride: e, B: random(r, l*s), C: random(r, l*s), A: make([]float32, 7*ScanPanel*s), D: random(r, e), L: l, E: e, S: s},
			Ends: ends, DY: random(r, l*e), DX: random(r, l*e), DDt: random(r, l*e), DZ: random(r, l*e), DB: random(r, l*s), DC: random(r, l*s),
			DA: make([]float32, 7*ScanPanel*s), DD: make([]float32, e),
		}
		for range 3 + 3 {
			sc.States = append(sc.States, make([]float32, 7*ScanPanel*s))
		}
		sc.Run()
		c := ConvBackward{Conv: Conv{X: random(r, l*e), XStride: e, Weight: random(r, 4*e), L: l, E: e, W: 4}, Ends: ends, DX: random(r, l*e), DDst: random(r, l*e), DWeight: make([]float32, 4*e)}
		c.Run()
		n := RMSNormBackward{X: random(r, l*e), Stride: e, DY: random(r, l*e), Weight: random(r, e), DX: make([]float32, l*e), DWeight: make([]float32, e)}
		n.Run()
		a := AttentionBackward{
			Q: random(r, l*h*d), O: random(r, l*h*d), DO: random(r, l*h*d), K: random(r, l*d), V: random(r, l*d), Ends: ends, Scale: 1, L: l, H: h, G: 1, D: d,
			DQ: make([]float32, l*h*d), DK: make([]float32, l*d), DV: make([]float32, l*d),
		}
		a.Run()
		got := [][]float32{sc.DX, sc.DDt, sc.DZ, sc.DB, sc.DC, sc.DA, sc.DD, c.DX, c.DWeight, n.DX, n.DWeight, a.DQ, a.DK, a.DV}
		for i := range want {
			if !slices.Equal(got[i], want[i]) {
				t.Errorf("%d threads: gradient %d is another", threads, i)
			}
		}
		want = got
	}
}
