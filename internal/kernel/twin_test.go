package kernel

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// The twins below do what kernels in assembly do, one value after the other: what a tier computes is told by them bit for
// bit.

// fma32 is x·y + z, rounded once. The product is exact in float64; the sum is rounded to odd there, so that the second
// rounding is right (Boldo and Melquiond 2008).
func fma32(x, y, z float32) float32 {
	p, c := float64(x)*float64(y), float64(z)
	sum := p + c
	of := sum - p
	lost := (p - (sum - of)) + (c - of)
	if bits := math.Float64bits(sum); lost != 0 && bits&1 == 0 {
		if (lost > 0) == (sum > 0) {
			bits++
		} else {
			bits--
		}
		sum = math.Float64frombits(bits)
	}
	return float32(sum)
}

func TestFMA32(t *testing.T) {
	r := rand.New(rand.NewPCG(71, 72))
	exact := func(v float32) *big.Float { return new(big.Float).SetPrec(500).SetFloat64(float64(v)) }
	for range 20000 {
		x, y := float32(r.NormFloat64()), float32(r.NormFloat64())
		z := float32(r.NormFloat64() * math.Exp2(float64(r.IntN(60)-30)))
		product := exact(x)
		product.Mul(product, exact(y))
		if want, _ := product.Add(product, exact(z)).Float32(); fma32(x, y, z) != want {
			t.Fatalf("%v·%v + %v is %v, want %v", x, y, z, fma32(x, y, z), want)
		}
	}
	// In float64 the sum is in the middle of two numbers, in truth a little above.
	if got := fma32(0x1p-24+0x1p-47, 1+0x1p-23, 1); got != 1+0x1p-23 {
		t.Errorf("%v", got)
	}
}

// eightLanes skips tiers whose floats are not those of vectors of eight.
func eightLanes(t *testing.T) {
	if !strings.HasPrefix(active.name, "avx2") && !strings.HasPrefix(active.name, "neon") {
		t.Skipf("%s has sums of its own", active.name)
	}
}

// lanesSum adds eight sums: halves, then quarters, then neighbours.
func lanesSum(s [8]float32) float32 {
	for n := 4; n > 0; n /= 2 {
		for i := range n {
			s[i] += s[i+n]
		}
	}
	return s[0]
}

// dotTwin is eight interleaved sums for each kBlock columns.
func dotTwin(x, w []float32) float32 {
	var total float32
	for at := 0; at < len(x); at += kBlock {
		var s [8]float32
		for i := at; i < min(at+kBlock, len(x)); i++ {
			s[i%8] = fma32(x[i], w[i], s[i%8])
		}
		if at == 0 {
			total = lanesSum(s)
		} else {
			total += lanesSum(s)
		}
	}
	return total
}

func TestDotTwin(t *testing.T) {
	eightLanes(t)
	r := rand.New(rand.NewPCG(73, 74))
	for _, d := range []tensor.DType{tensor.F32, tensor.BF16, tensor.F16} {
		for _, k := range []int{8, 13, 64, 1031, 2064} {
			for m := 1; m <= 6; m++ {
				n := 14
				if d != tensor.F32 {
					k &^= 7
				}
				w, f := randomMatrix(t, r, d, n, k)
				x, got, want := random(r, m*k), make([]float32, m*n), make([]float32, m*n)
				MatMul(got, x, &w)
				for i := range want {
					want[i] = dotTwin(x[i/n*k:(i/n+1)*k], f[i%n*k:(i%n+1)*k])
				}
				equalBits(t, d.String(), got, want)
			}
		}
	}
}

func TestGemmTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(75, 76))
	for _, add := range []bool{false, true} {
		for m := 1; m <= 7; m++ {
			const n, k = 32, 9
			x, w, got := random(r, m*k), random(r, k*n), random(r, m*n)
			halves := make([]byte, 2*k*n)
			NarrowF16(halves, w)
			quant.Dequantize(w, tensor.F16, halves)
			want := append([]float32(nil), got...)
			gotHalf := append([]float32(nil), got...)
			for i := range want {
				if !add {
					want[i] = 0
				}
				for q := range k {
					want[i] = fma32(x[i/n*k+q], w[q*n+i%n], want[i])
				}
			}
			if active.gemmHalf == nil {
				t.Skip("plain Go has other roundings")
			}
			active.gemm(got, x, w, m, n, k, k, add)
			active.gemmHalf(gotHalf, x, halves, m, n, k, k, add)
			equalBits(t, "gemm", got, want)
			equalBits(t, "gemm with F16", gotHalf, want)
		}
	}
}

// expTwin is e^x, at least the smallest normal number: n·ln 2 + r with a polynomial of r.
func expTwin(x float32) float32 {
	x = max(min(x, 88.37626), -87.33654)
	const shift = 3<<22 + 127
	t := fma32(x, math.Log2E, shift)
	n := t - shift
	x = fma32(-n, 0.693359375, x)
	x = fma32(-n, -2.12194440e-4, x)
	p := float32(0.0013843605993315578)
	for _, c := range []float32{0.008374195545911789, 0.04166800528764725, 0.16666430234909058, 0.4999999403953552, 1, 1} {
		p = fma32(p, x, c)
	}
	return p * math.Float32frombits(math.Float32bits(t)<<23)
}

func siluTwin(x float32) float32 {
	e := expTwin(-x) + 1
	if x < -88.37626 {
		e = float32(math.Inf(1))
	}
	return x / e
}

// TestElementsTwin is for all tiers in assembly: what stands alone in a lane has the same bits in each.
func TestElementsTwin(t *testing.T) {
	if active == &generic {
		t.Skip("plain Go has other roundings")
	}
	r := rand.New(rand.NewPCG(77, 78))
	x, up := random(r, 1000), random(r, 1000)
	for i := range x {
		x[i] *= float32(math.Exp(3 * r.NormFloat64()))
	}
	silu := make([]float32, len(x))
	for i, v := range x {
		silu[i] = siluTwin(v) * up[i]
	}
	got := append([]float32(nil), x...)
	SiLUMul(got, up)
	equalBits(t, "SiLUMul", got, silu)

	// The largest is subtracted first; what is below the smallest normal number is 0.
	const top = 3
	for i, v := range x {
		silu[i] = 0
		if v-top >= -87.33654 {
			silu[i] = expTwin(v - top)
		}
	}
	got = append(got[:0], x...)
	active.expSum(got, top)
	equalBits(t, "expSum", got, silu)
}

// TestScanTwin is for all tiers in assembly, too.
func TestScanTwin(t *testing.T) {
	if active == &generic {
		t.Skip("plain Go has other roundings")
	}
	r := rand.New(rand.NewPCG(79, 80))
	const l, e, s = 5, 2 * ScanPanel, 7
	sc := Scan{
		Y: make([]float32, l*e), X: random(r, l*e), Dt: random(r, l*e), Z: random(r, l*e), ZStride: e,
		B: random(r, l*s), C: random(r, l*s), A: random(r, e*s), D: random(r, e), H: random(r, e*s), L: l, E: e, S: s,
	}
	for i, v := range sc.Dt {
		sc.Dt[i] = max(v, -v)
	}
	for i, v := range sc.A {
		sc.A[i] = -max(v, -v)
	}
	y, h := make([]float32, l*e), append([]float32(nil), sc.H...)
	for i := range y {
		t, c := i/e, i%e
		x, dt := sc.X[i], sc.Dt[i]
		var sum float32
		for n := range s {
			at := (c/ScanPanel*s+n)*ScanPanel + c%ScanPanel
			u := float32(float32(dt*x) * sc.B[t*s+n])
			h[at] = fma32(expTwin(float32(dt*sc.A[at])), h[at], u)
			sum = fma32(sc.C[t*s+n], h[at], sum)
		}
		y[i] = fma32(x, sc.D[c], sum) * siluTwin(sc.Z[i])
	}
	sc.Cuts = []Cut{{l, sc.H}}
	SelectiveScan([]Scan{sc})
	equalBits(t, "y", sc.Y, y)
	equalBits(t, "h", sc.H, h)
}

// packedTwin is a product of a row of activations with a row of blocks: integers, and floats once for those that share a
// scale.
func packedTwin(x []float32, d tensor.DType, row []byte) float32 {
	l := layouts[d]
	unit, limit := rounding(d, len(x))
	if d.RowScaled() {
		return channelTwin(x, row)
	}
	parts := l.scaling.parts()
	_, offset := l.scaling.(scaleOffset)
	block := quant.Block{Q: make([]int8, d.BlockValues()), S: make([]int8, 16), M: make([]int8, 16)}
	var out float32
	for at := 0; at < len(x); at += unit {
		most := MaxAbs(x[at : at+unit])
		scale, inverse := most/limit, limit/most
		if most == 0 || math.IsInf(float64(inverse), 0) {
			inverse = 0
		}
		b := at / d.BlockValues()
		quant.Unpack(&block, d, row[b*d.BlockBytes():(b+1)*d.BlockBytes()])
		first := at % d.BlockValues()
		var sum int32
		var sums [4]int32 // of the activations of each 32
		for i, v := range x[at : at+unit] {
			q := int32(math.RoundToEven(float64(float32(v * inverse))))
			by := int32(1)
			if parts.subScale {
				by = int32(block.S[(first+i)/l.sub])
			}
			sum += by * int32(block.Q[first+i]) * q
			sums[i/32] += q
		}
		out = fma32(float32(scale*quant.F16ToF32(block.Scale)), float32(sum), out)
		for i := range unit / 32 {
			s := scale * float32(sums[i])
			switch {
			case offset:
				out = fma32(s*-8, quant.F16ToF32(block.Scale), out)
			case parts.subMin:
				out = fma32(s, quant.F16ToF32(block.Min)*float32(block.M[first/32+i]), out)
			case parts.min:
				out = fma32(s, quant.F16ToF32(block.Min), out)
			}
		}
	}
	return out
}

// channelTwin is packedTwin of a row with one scale.
func channelTwin(x []float32, row []byte) float32 {
	block := quant.Block{Q: make([]int8, len(x))}
	quant.Unpack(&block, tensor.INT8, row)
	most := MaxAbs(x)
	scale, inverse := most/mostDigits, mostDigits/most
	if most == 0 || math.IsInf(float64(inverse), 0) {
		inverse = 0
	}
	var sum int64
	for i, v := range x {
		sum += int64(math.RoundToEven(float64(float32(v*inverse)))) * int64(block.Q[i])
	}
	return float32(float64(sum) * (float64(scale) * float64(quant.F16ToF32(block.Scale))))
}

// TestPackedTwin asserts that products of integers have the same bits in all tiers.
func TestPackedTwin(t *testing.T) {
	packedTypes(t, func(t *testing.T, r *rand.Rand, w *Matrix, _ []float32) {
		raw := w.Raw()
		size := len(raw) / w.N
		for _, m := range []int{1, 2, 3, 4, 5, 9, 27, 50} {
			x, got, want := random(r, m*w.K), make([]float32, m*w.N), make([]float32, m*w.N)
			clear(x[:32])
			MatMul(got, x, w)
			for i := range want {
				row := i % w.N
				want[i] = packedTwin(x[i/w.N*w.K:(i/w.N+1)*w.K], w.DType, raw[row*size:(row+1)*size])
			}
			equalBits(t, "products", got, want)
		}
	})
}
