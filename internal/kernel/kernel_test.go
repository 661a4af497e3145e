package kernel

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"jamba/internal/kernel/par"
	"jamba/internal/kernel/quant"
	"jamba/internal/testutil/blocks"
	"jamba/tensor"
)

func asBytes[T any](x []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(*new(T))))
}

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// near compares with a float64 evaluation: the error may be tol times scale.
func near(t *testing.T, what string, got []float32, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if d := math.Abs(float64(got[i]) - want[i]); !(d <= tol*max(1, math.Abs(want[i]))) {
			t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

var dtypes = []tensor.DType{
	tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q4_0, tensor.Q4_1, tensor.Q5_0, tensor.Q5_1,
	tensor.Q4_K, tensor.Q5_K, tensor.Q6_K,
	tensor.Q2_K, tensor.Q3_K, tensor.IQ4_NL, tensor.IQ4_XS, tensor.IQ3_XXS, tensor.IQ3_S, tensor.IQ2_XXS, tensor.IQ2_XS,
	tensor.IQ2_S, tensor.IQ1_S, tensor.IQ1_M, tensor.MXFP4, tensor.TQ1_0, tensor.TQ2_0, tensor.F8_E4M3, tensor.F8_E5M2,
	tensor.INT8,
}

// randomMatrix returns a matrix of random bytes that mean finite weights, and the weights.
func randomMatrix(t *testing.T, r *rand.Rand, d tensor.DType, n, k int) (Matrix, []float32) {
	t.Helper()
	size, err := tensor.Size(d, []int{n, k})
	if err != nil {
		t.Fatal(err)
	}
	deviation := 0.125 // of a scale
	if d == tensor.F32 || d == tensor.BF16 {
		deviation = 1
	}
	data := blocks.Random(r, d, size/d.BlockBytes(), deviation)
	for row := data; d.RowScaled() && len(row) > 0; row = row[size/n:] {
		binary.LittleEndian.PutUint16(row, quant.F32ToF16(float32(r.NormFloat64()*deviation)))
	}
	w, err := NewMatrix(tensor.Tensor{Name: "w", DType: d, Shape: []int{n, k}, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	f := make([]float32, n*k)
	for i := range n {
		w.Row(f[i*k:(i+1)*k], i)
	}
	return w, f
}

// invariant are the numbers of rows that are to give the same bits: with -short some, of whole and partial tiles.
func invariant(most int) []int {
	var rows []int
	for m := 1; m <= most; m++ {
		if !testing.Short() || m < 11 || m%16 < 2 {
			rows = append(rows, m)
		}
	}
	return rows
}

func TestMatMul(t *testing.T) {
	const kLong = 1000
	r := rand.New(rand.NewPCG(1, 2))
	for _, d := range dtypes {
		for _, shape := range [][3]int{{1, 1, 1}, {1, 9, 5}, {2, 8, 3}, {3, 17, 7}, {5, 100, 64}, {64, 33, 2}, {4, 13, 2500}, {1, 14, 1029}, {7, 20, 2504}, {1, 13, 1032}} {
			m, n, k := shape[0], shape[1], shape[2]*d.BlockValues()
			if shape[2] > kLong { // columns, not blocks
				k = shape[2] / d.BlockValues() * d.BlockValues()
			}
			w, f := randomMatrix(t, r, d, n, k)
			x := random(r, m*k)
			got := make([]float32, m*n)
			MatMul(got, x, &w)
			for i := range m {
				for j := range n {
					var sum, scale float64
					for q := range k {
						v := float64(x[i*k+q]) * float64(f[j*k+q])
						sum += v
						scale += math.Abs(v)
					}
					if e := math.Abs(float64(got[i*n+j]) - sum); !(e <= 1e-5*scale+1e-30) {
						t.Fatalf("%v [%d, %d]·[%d, %d]: element %d, %d is %v, want %v", d, m, k, n, k, i, j, got[i*n+j], sum)
					}
				}
			}
		}
	}
}

// TestRow asserts that widening a row gives the bits that package quant gives.
func TestRow(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for _, d := range dtypes {
		for _, k := range []int{512, 13} {
			if k%d.BlockValues() > 0 {
				continue
			}
			const n = 9
			w, got := randomMatrix(t, r, d, n, k)
			want := make([]float32, n*k)
			size := len(w.Raw()) / n
			for i := range n {
				quant.Dequantize(want[i*k:(i+1)*k], d, w.Raw()[i*size:(i+1)*size])
			}
			for i := range want {
				if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
					t.Fatalf("%v: value %d is %v, want %v", d, i, got[i], want[i])
				}
			}
		}
	}
}

// TestMatMulInvariance asserts that a product does not depend, bit for bit, on the rows beside it nor on the threads.
func TestMatMulInvariance(t *testing.T) {
	defer par.SetThreads(0)
	r := rand.New(rand.NewPCG(3, 4))
	const rows, n, k = 72, 40, 512
	for _, d := range dtypes {
		w, _ := randomMatrix(t, r, d, n, k)
		x := random(r, rows*k)
		want := make([]float32, rows*n)
		par.SetThreads(1)
		for i := range rows {
			MatMul(want[i*n:(i+1)*n], x[i*k:(i+1)*k], &w)
		}
		for _, threads := range []int{1, 2, 4} {
			par.SetThreads(threads)
			for _, m := range invariant(rows) {
				got := make([]float32, m*n)
				MatMul(got, x[:m*k], &w)
				if !slices.Equal(got, want[:m*n]) {
					t.Fatalf("%v: %d rows on %d threads give other bits than one row on one thread", d, m, threads)
				}
			}
		}
	}
}

func TestNewMatrixShape(t *testing.T) {
	_, err := NewMatrix(tensor.FromFloat32s("v", make([]float32, 8), 2, 2, 2))
	if err == nil || err.Error() != "v: shape [2 2 2] is not that of a matrix" {
		t.Error(err)
	}
}

func TestExp(t *testing.T) {
	for x := float32(-100); x < 100; x += 0.00173 {
		want := math.Exp(float64(x))
		switch got := float64(exp(x)); {
		case x < -87.33654:
			if got != 0 {
				t.Fatalf("exp(%v) = %v, want 0", x, got)
			}
		case want > math.MaxFloat32:
			if !math.IsInf(got, 1) {
				t.Fatalf("exp(%v) = %v, want +Inf", x, got)
			}
		case math.Abs(got-want) > 1.5e-7*want:
			t.Fatalf("exp(%v) = %v, want %v: relative error %.2g", x, got, want, math.Abs(got-want)/want)
		}
	}
	nan := float32(math.NaN())
	if v := exp(nan); v == v {
		t.Errorf("exp(NaN) = %v", v)
	}
	if inf := float32(math.Inf(1)); exp(inf) != inf || exp(-inf) != 0 || exp(0) != 1 {
		t.Error("exp of ±Inf or 0")
	}
}

func TestActivations(t *testing.T) {
	x := []float32{-math.MaxFloat32, -1e36, -200, -89, -88.5, -88.3, -88, -30, -3, -1e-6, 0, 1e-6, 0.5, 3, 19.9, 20, 20.1, 88, 200}
	silu, soft := make([]float64, len(x)), make([]float64, len(x))
	for i, v := range x {
		silu[i] = 3 * float64(v) / (1 + math.Exp(-float64(v)))
		soft[i] = math.Log1p(math.Exp(float64(v)))
	}
	got, up := slices.Clone(x), slices.Repeat([]float32{3}, len(x))
	SiLUMul(got, up)
	near(t, "SiLUMul", got, silu, 1e-6)
	for i := range 3 {
		if got[i] != 0 {
			t.Errorf("silu(%v) is %v, want 0", x[i], got[i])
		}
	}
	got = slices.Clone(x)
	Softplus(got)
	near(t, "Softplus", got, soft, 1e-6)
}

// TestAdd asserts that sums of slices of any length are those of plain Go, and leave what lies behind.
func TestAdd(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 20))
	x, y := random(r, 3*moveGrain+9), random(r, 3*moveGrain+9)
	for _, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 31, 40, moveGrain, 3*moveGrain + 5} {
		for name, f := range map[string]struct {
			add   func(x, y []float32)
			scale float32
		}{
			"Add":       {Add, 1},
			"Residual":  {Residual, 1},
			"AddScaled": {func(x, y []float32) { AddScaled(x, 0.3, y) }, 0.3},
		} {
			want, got := slices.Clone(x), slices.Clone(x)
			for i, v := range y[:n] {
				want[i] += float32(f.scale * v)
			}
			f.add(got, y[:n])
			if !slices.Equal(got, want) {
				t.Errorf("%s of %d has other bits than plain Go", name, n)
			}
		}
	}
}

// TestGathered asserts that rows are copied from where they are, and that those of one row are added to it one after the
// other, with any number of threads.
func TestGathered(t *testing.T) {
	defer par.SetThreads(0)
	r := rand.New(rand.NewPCG(21, 22))
	const rows, n = 9, 1000
	for threads := 1; threads <= 3; threads++ {
		par.SetThreads(threads)
		for _, count := range []int{0, 1, 5, 100} {
			from, scale := make([]int, count), random(r, count)
			for j := range from {
				from[j] = r.IntN(rows)
			}
			all := random(r, rows*n)
			g := Gathered{All: all, Some: make([]float32, count*n), From: from, N: n}
			g.Gather()
			for j, i := range from {
				if !slices.Equal(g.Some[j*n:(j+1)*n], all[i*n:(i+1)*n]) {
					t.Fatalf("row %d of %d is not row %d", j, count, i)
				}
			}
			want := slices.Clone(all)
			for j, i := range from {
				for c := range n {
					want[i*n+c] += float32(scale[j] * g.Some[j*n+c])
				}
			}
			g.ScatterAdd(scale)
			if !slices.Equal(all, want) {
				t.Fatalf("%d rows on %d threads add up to other bits", count, threads)
			}
		}
	}
}

// TestActivationsAnywhere asserts that an element's value does not depend on where its slice begins and ends.
func TestActivationsAnywhere(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	x, up := random(r, 100), random(r, 100)
	silu, soft := slices.Clone(x), slices.Clone(x)
	SiLUMul(silu, up)
	Softplus(soft)
	for lo := range 20 {
		for hi := lo; hi < 40; hi++ {
			a, b := slices.Clone(x[lo:hi]), slices.Clone(x[lo:hi])
			SiLUMul(a, up[lo:hi])
			Softplus(b)
			if !slices.Equal(a, silu[lo:hi]) || !slices.Equal(b, soft[lo:hi]) {
				t.Fatalf("elements %d to %d have other bits alone", lo, hi)
			}
		}
	}
}

func TestNorms(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{1, 2, 16, 37, 4096} {
		x, w := random(r, 3*n), random(r, n)
		want := make([]float64, 3*n)
		for row := range 3 {
			sum := 0.0
			for i := range n {
				sum += float64(x[row*n+i]) * float64(x[row*n+i])
			}
			for i := range n {
				want[row*n+i] = float64(w[i]) * float64(x[row*n+i]) / math.Sqrt(sum/float64(n)+0.25)
			}
		}
		got := make([]float32, 3*n)
		RMSNorm(got, x, w, 0.25)
		near(t, "RMSNorm", got, want, 1e-6)
		RMSNorm(x, x, w, 0.25)
		if !slices.Equal(x, got) {
			t.Error("RMSNorm in place differs")
		}
	}
	x := []float32{1000, 999, -1000, 1000.5}
	Softmax(x)
	near(t, "Softmax", x, []float64{0.33149896, 0.12195165, 0, 0.54654939}, 1e-6)
}

func TestFinite(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, test := range []struct {
		x    []float32
		want bool
	}{
		{nil, true},
		{[]float32{0, -1, math.MaxFloat32, -math.MaxFloat32, 1e-45}, true},
		{[]float32{1, inf, 2}, false},
		{[]float32{1, -inf}, false},
		{[]float32{inf, -inf}, false},
		{[]float32{float32(math.NaN()), 0}, false},
	} {
		if got := Finite(test.x); got != test.want {
			t.Errorf("Finite(%v) = %v", test.x, got)
		}
	}
	// What several threads read.
	long := make([]float32, 9*moveGrain+5)
	for _, at := range []int{0, 1, moveGrain - 1, 4*moveGrain + 3, len(long) - 1} {
		if !Finite(long) {
			t.Fatal("zeroes are not finite")
		}
		long[at] = inf
		if Finite(long) {
			t.Errorf("value %d of %d was not seen", at, len(long))
		}
		long[at] = 0
	}
}

// TestAddBias asserts that a row has the bits of the same additions one by one, on any number of threads.
func TestAddBias(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	defer par.SetThreads(0)
	for _, shape := range [][2]int{{1, 1}, {1, 33}, {7, 5}, {3, moveGrain + 9}, {65, 2051}} {
		m, n := shape[0], shape[1]
		x, bias := random(r, m*n), random(r, n)
		want := slices.Clone(x)
		for i := range want {
			want[i] += bias[i%n]
		}
		for threads := range 3 {
			par.SetThreads(threads + 1)
			got := slices.Clone(x)
			AddBias(got, nil)
			AddBias(got, bias)
			if !slices.Equal(got, want) {
				t.Errorf("[%d, %d] on %d threads differs", m, n, threads+1)
			}
		}
	}
}

func TestCausalConv(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, shape := range [][3]int{{1, 1, 1}, {5, 3, 4}, {2, 70, 3}, {9, 257, 2}, {7, 16, 4}} {
		l, e, w := shape[0], shape[1], shape[2]
		stride := e + 3
		past, x, weight, bias := random(r, (w-1)*e), random(r, l*stride), random(r, w*e), random(r, e)
		if e == 3 {
			bias = nil
		}
		input := func(t, c int) float64 {
			if t < 0 {
				return float64(past[(t+w-1)*e+c])
			}
			return float64(x[t*stride+c])
		}
		want := make([]float64, l*e)
		for i := range want {
			t, c := i/e, i%e
			if bias != nil {
				want[i] = float64(bias[c])
			}
			for j := range w {
				want[i] += float64(weight[j*e+c]) * input(t-w+1+j, c)
			}
			want[i] /= 1 + math.Exp(-want[i])
		}
		c := Conv{Dst: make([]float32, l*e), X: x, XStride: stride, Weight: weight, Bias: bias, State: slices.Clone(past), L: l, E: e, W: w}
		c.Cuts = []Cut{{l, c.State}}
		CausalConv([]Conv{c})
		near(t, "conv", c.Dst, want, 1e-6)
		for j := range w - 1 {
			for ch := range e {
				if got := float64(c.State[j*e+ch]); got != input(l-w+1+j, ch) {
					t.Fatalf("shape %v: state %d of channel %d is %v", shape, j, ch, got)
				}
			}
		}
	}
}

func TestSelectiveScan(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, shape := range [][3]int{{1, 1, 1}, {4, 5, 16}, {30, 130, 8}, {3, 64, 16}, {11, 65, 3}} {
		l, e, s := shape[0], shape[1], shape[2]
		stride, padded := 2*e, ScanPanels(e)*ScanPanel
		sc := Scan{
			Y: make([]float32, l*e), X: random(r, l*e), Dt: random(r, l*e), Z: random(r, l*stride), ZStride: stride,
			B: random(r, l*s), C: random(r, l*s), A: random(r, padded*s), D: random(r, e), H: random(r, padded*s), L: l, E: e, S: s,
		}
		for i := range sc.Dt {
			sc.Dt[i] = float32(math.Abs(float64(sc.Dt[i])))
		}
		for i := range sc.A {
			sc.A[i] = -float32(math.Abs(float64(sc.A[i])))
		}
		y, h := make([]float64, l*e), make([]float64, padded*s)
		for i, v := range sc.H {
			h[i] = float64(v)
		}
		for t := range l {
			for c := range e {
				x, dt, z := float64(sc.X[t*e+c]), float64(sc.Dt[t*e+c]), float64(sc.Z[t*stride+c])
				sum := float64(sc.D[c]) * x
				for n := range s {
					i := (c/ScanPanel*s+n)*ScanPanel + c%ScanPanel
					h[i] = math.Exp(dt*float64(sc.A[i]))*h[i] + dt*x*float64(sc.B[t*s+n])
					sum += h[i] * float64(sc.C[t*s+n])
				}
				y[t*e+c] = sum * z / (1 + math.Exp(-z))
			}
		}
		sc.Cuts = []Cut{{l, sc.H}}
		SelectiveScan([]Scan{sc})
		near(t, "y", sc.Y, y, 2e-5)
		near(t, "h", sc.H, h, 2e-5)
	}
}

func TestAttend(t *testing.T) {
	for _, d := range []tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0} {
		t.Run(d.String(), func(t *testing.T) { attend(t, d) })
	}
}

// rawPage returns a page with the rows of p [d] as type dtype, and changes p's to what they have become.
func rawPage(t *testing.T, dtype tensor.DType, p Page, d int) Page {
	t.Helper()
	narrow := func(x []float32) []byte {
		values, bytes := PageRow(dtype, d)
		raw, row := make([]byte, len(x)/d*bytes), make([]float32, values)
		for i := range len(x) / d {
			if err := Narrow(raw[i*bytes:(i+1)*bytes], dtype, x[i*d:(i+1)*d]); err != nil {
				t.Fatal(err)
			}
			quant.Dequantize(row, dtype, raw[i*bytes:(i+1)*bytes])
			copy(x[i*d:(i+1)*d], row)
		}
		return raw
	}
	return Page{RawK: narrow(p.K), RawV: narrow(p.V)}
}

func attend(t *testing.T, dtype tensor.DType) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, test := range []struct{ start, m, heads, groups, d, window int }{
		{0, 1, 1, 1, 1, 0},
		{0, 5, 4, 2, 8, 0},
		{250, 20, 6, 2, 5, 0},
		{700, 3, 5, 1, 16, 0},
		{0, 30, 4, 4, 8, 7},
		{600, 4, 2, 1, 8, 300},
		{513, 2, 2, 2, 8, 1},
		{300, 9, 6, 2, 48, 0},
		{290, 5, 3, 3, 33, 0},
		{255, 2, 8, 2, 64, 100},
		{257, 13, 4, 1, 128, 0},
	} {
		total := test.start + test.m
		k, v := random(r, total*test.groups*test.d), random(r, total*test.groups*test.d)
		if dtype != tensor.F32 { // the reference computes with the rounded values
			rawPage(t, dtype, Page{K: k, V: v}, test.d)
		}
		var pages []Page
		for p := 0; p*PageLen < total; p++ {
			size := PageLen * test.groups * test.d
			pages = append(pages, Page{K: make([]float32, size), V: make([]float32, size)})
		}
		for pos := range total {
			for g := range test.groups {
				from, to := (pos*test.groups+g)*test.d, (g*PageLen+pos%PageLen)*test.d
				copy(pages[pos/PageLen].K[to:to+test.d], k[from:])
				copy(pages[pos/PageLen].V[to:to+test.d], v[from:])
			}
		}
		for i, p := range pages {
			if dtype != tensor.F32 {
				pages[i] = rawPage(t, dtype, p, test.d)
			}
		}
		q := random(r, test.m*test.heads*test.d)
		want := make([]float64, len(q))
		for i := range test.m {
			pos := test.start + i
			first := 0
			if test.window > 0 {
				first = max(0, pos-test.window+1)
			}
			for h := range test.heads {
				g := h / (test.heads / test.groups)
				at := (i*test.heads + h) * test.d
				weights, sum := make([]float64, total), 0.0
				for j := first; j <= pos; j++ {
					dot := 0.0
					for d := range test.d {
						dot += float64(q[at+d]) * float64(k[(j*test.groups+g)*test.d+d])
					}
					weights[j] = math.Exp(dot * 0.3)
					sum += weights[j]
				}
				for j := first; j <= pos; j++ {
					for d := range test.d {
						want[at+d] += weights[j] / sum * float64(v[(j*test.groups+g)*test.d+d])
					}
				}
			}
		}
		a := Attention{
			Dst: make([]float32, len(q)), Q: q, Pages: pages, DType: dtype, Start: test.start, Window: test.window, Scale: 0.3,
			M: test.m, H: test.heads, G: test.groups, D: test.d,
		}
		stale := slices.Repeat([]float32{float32(math.NaN())}, 1<<16)
		scratches.Put(&stale) // what was in the memory before does not count
		Attend([]Attention{a})
		near(t, "attention", a.Dst, want, 5e-6)
	}
}

// TestAttendStale asserts that what lies in a page's rows behind the last position, left there by another sequence, does not count,
// be it NaN: kernels read some of it.
func TestAttendStale(t *testing.T) {
	r := rand.New(rand.NewPCG(45, 46))
	for i := range 60 {
		dtype := []tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0}[i%3]
		d, m, total := []int{5, 16, 33, 48, 64, 80, 128}[r.IntN(7)], 1+r.IntN(9), 9+r.IntN(PageLen-9)
		page, q := Page{K: random(r, PageLen*d), V: random(r, PageLen*d)}, random(r, m*6*d)
		if dtype != tensor.F32 {
			page = rawPage(t, dtype, page, d)
		}
		run := func() []float32 {
			a := Attention{Dst: make([]float32, len(q)), Q: q, Pages: []Page{page}, DType: dtype, Start: total - m, Window: i % 4 * 3, Scale: 0.3, M: m, H: 6, G: 1, D: d}
			Attend([]Attention{a})
			return a.Dst
		}
		want := run()
		for _, rows := range [][]byte{asBytes(page.K), asBytes(page.V), page.RawK, page.RawV} {
			stale := rows[total*(len(rows)/PageLen):]
			for j := range stale {
				stale[j] = 0xFF
			}
		}
		if got := run(); !slices.Equal(got, want) {
			t.Errorf("%v, %d positions, %d rows of %d: what lies behind them counts", dtype, total, m, d)
		}
	}
}

// TestAttendInvariance asserts that a row's result does not depend, bit for bit, on the rows beside it, nor on the
// threads, whatever the type of keys and values.
func TestAttendInvariance(t *testing.T) {
	defer par.SetThreads(0)
	r := rand.New(rand.NewPCG(39, 40))
	const start, m, heads, groups = PageLen - 5, 40, 6, 2
	allThreads, chunks := []int{1, 2, 4}, []int{1, 3, 5, 16, 33, m}
	if testing.Short() {
		allThreads, chunks = []int{2}, []int{3, m}
	}
	for _, dtype := range []tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0} {
		for _, d := range []int{5, 40, 64} {
			var pages []Page
			for range 2 {
				p := Page{K: random(r, groups*PageLen*d), V: random(r, groups*PageLen*d)}
				if dtype != tensor.F32 {
					p = rawPage(t, dtype, p, d)
				}
				pages = append(pages, p)
			}
			q := random(r, m*heads*d)
			run := func(dst []float32, lo, hi int) {
				at, to := lo*heads*d, hi*heads*d
				Attend([]Attention{{
					Dst: dst[at:to], Q: q[at:to], Pages: pages, DType: dtype, Start: start + lo, Scale: 0.3,
					M: hi - lo, H: heads, G: groups, D: d,
				}})
			}
			want := make([]float32, len(q))
			par.SetThreads(1)
			for i := range m {
				run(want, i, i+1)
			}
			for _, threads := range allThreads {
				par.SetThreads(threads)
				for _, chunk := range chunks {
					got := make([]float32, len(q))
					for lo := 0; lo < m; lo += chunk {
						run(got, lo, min(lo+chunk, m))
					}
					if !slices.Equal(got, want) {
						t.Errorf("%v, d %d: %d rows at a time on %d threads give other bits than one on one thread", dtype, d, chunk, threads)
					}
				}
			}
		}
	}
}

// TestNarrowQ8 asserts that a value comes back within half a step of its block, which is the 127th part of the block's
// largest; a scale in 11 bits adds a little. Rows that are no whole blocks end in zeroes.
func TestNarrowQ8(t *testing.T) {
	r := rand.New(rand.NewPCG(37, 38))
	for i := range 700 {
		n := 1 + i%130
		x := random(r, n)
		small := float32(math.Exp2(-float64(r.IntN(150)) * float64(i%2))) // down to the smallest numbers there are
		for j := range x {
			x[j] *= small * float32(math.Exp(r.NormFloat64()*float64(i%5)))
			switch {
			case i%7 == 0 && j/32%2 == 0:
				x[j] = 0
			case i%9 == 0: // half steps, to be rounded away from zero
				x[j] = float32(r.IntN(255)-127) / 2
				x[j-j%32] = 127
			}
		}
		values, bytes := PageRow(tensor.Q8_0, n)
		if want := (n + 31) / 32; values != 32*want || bytes != 34*want {
			t.Fatalf("a row of %d takes %d values, %d bytes", n, values, bytes)
		}
		raw, got := make([]byte, bytes), make([]float32, values)
		for i := range raw {
			raw[i] = 0xFF // what was there before does not count
		}
		if err := Narrow(raw, tensor.Q8_0, x); err != nil {
			t.Fatal(err)
		}
		twin := make([]byte, bytes)
		if err := quant.Quantize(twin, tensor.Q8_0, append(slices.Clone(x), make([]float32, values-n)...)); err != nil || !slices.Equal(raw, twin) {
			t.Fatalf("%v\nbecomes %v\nwant    %v, %v", x, raw, twin, err)
		}
		quant.Dequantize(got, tensor.Q8_0, raw)
		for i, v := range x {
			top := float64(MaxAbs(x[i/32*32 : min(i/32*32+32, n)]))
			if e := math.Abs(float64(got[i] - v)); !(e <= top/254+top*0x1p-12+127*0x1p-25) {
				t.Fatalf("%v of a block up to %v becomes %v", v, top, got[i])
			}
		}
		if slices.ContainsFunc(got[n:], func(v float32) bool { return v != 0 }) {
			t.Fatalf("a row of %d is filled up with %v", n, got[n:])
		}
	}
	for _, v := range []float32{float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 127 * 65520} {
		for i := range 40 {
			x := make([]float32, 40)
			x[i] = v
			if err := Narrow(make([]byte, 68), tensor.Q8_0, x); err == nil {
				t.Errorf("%v at %d is no error", v, i)
			}
		}
	}
	if err := Narrow(make([]byte, 34), tensor.Q8_0, []float32{127 * 65500, -127 * 65500}); err != nil {
		t.Error(err)
	}
}

func TestNarrowF16(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 20))
	for n := range 40 {
		x, got := random(r, n), make([]byte, 2*n)
		for i := range x {
			x[i] *= float32(math.Exp(r.NormFloat64() * 8)) // also beyond the range of fp16 numbers
		}
		NarrowF16(got, x)
		for i, v := range x {
			if h := binary.LittleEndian.Uint16(got[2*i:]); h != quant.F32ToF16(v) {
				t.Fatalf("%v gives %#x, want %#x", v, h, quant.F32ToF16(v))
			}
		}
	}
}

// TestRoPE asserts what rotary embedding is for: products of queries and keys depend on their distance only, and
// nothing happens at position 0.
func TestRoPE(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	const d = 8
	freq := []float32{1, 0.3, 0.05, 0.001}
	for _, interleaved := range []bool{false, true} {
		q, k := random(r, d), random(r, d)
		rotated := func(x []float32, pos int) []float32 {
			cos, sin := make([]float32, d/2), make([]float32, d/2)
			RoPETable(cos, sin, freq, pos, 1)
			y := slices.Clone(x)
			RoPE(y, cos, sin, 1, d, interleaved)
			return y
		}
		if !slices.Equal(rotated(q, 0), q) {
			t.Error("position 0 rotates")
		}
		for _, pos := range []int{1, 7, 1000} {
			near(t, "q·k", []float32{dot(rotated(q, pos+5), rotated(k, pos))}, []float64{float64(dot(rotated(q, 5), k))}, 1e-4)
		}
	}
	// The two orders of pairs are the same rotation of permuted values.
	x := random(r, d)
	y := make([]float32, d)
	for i := range d / 2 {
		y[2*i], y[2*i+1] = x[i], x[i+d/2]
	}
	cos, sin := make([]float32, d/2), make([]float32, d/2)
	RoPETable(cos, sin, freq, 3, 2)
	RoPE(x, cos, sin, 1, d, false)
	RoPE(y, cos, sin, 1, d, true)
	for i := range d / 2 {
		if y[2*i] != x[i] || y[2*i+1] != x[i+d/2] {
			t.Fatalf("pair %d differs", i)
		}
	}
}

func TestMax(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 34))
	for n := 8; n <= 64; n += 8 {
		x := random(r, n)
		for i := range x { // the largest at each place, among negative ones, too
			for j := range x {
				x[j] = -2 - r.Float32()
			}
			x[i] = float32(i%3) - 1.5
			if got := active.max(x); got != x[i] {
				t.Fatalf("the largest of %v is %v", x, got)
			}
		}
	}
}

// TestScales asserts that products with a matrix that has scales have the bits of those with its values, for few rows and
// for many.
func TestScales(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	const n, k = 36, 1200
	for _, grid := range [][2]int{{1, 1}, {n, 1}, {3, 4}, {1, k}, {n, k}} {
		for _, rounded := range []tensor.DType{tensor.F32, tensor.F16, tensor.BF16} {
			s := &tensor.Scales{Rows: grid[0], Columns: grid[1], Values: random(r, grid[0]*grid[1]), Rounded: rounded}
			w, plain := randomMatrix(t, r, tensor.F8_E4M3, n, k)
			w.weights.(*stored).scales = s
			for i := range plain {
				plain[i] *= s.Values[i/k*s.Rows/n*s.Columns+i%k*s.Columns/k]
				switch rounded {
				case tensor.F16:
					plain[i] = quant.F16ToF32(quant.F32ToF16(plain[i]))
				case tensor.BF16:
					plain[i] = math.Float32frombits(uint32(quant.F32ToBF16(plain[i])) << 16)
				}
			}
			values, err := NewMatrix(tensor.FromFloat32s("w", plain, n, k))
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range []int{1, 5, 193} {
				x := random(r, m*k)
				equalProducts(t, "products", x, &w, &values)
			}
		}
	}
}

func pick(r *rand.Rand, from ...int) int { return from[r.IntN(len(from))] }

// packs reports whether the tier has kernels for weights of type d in panels: for all that can lie there, but NEON none for INT8.
func packs(d tensor.DType) bool {
	return active.pack != nil && Packs(d) && (d != tensor.INT8 || runtime.GOARCH != "arm64")
}
