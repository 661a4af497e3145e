package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"jamba/internal/kernel/par"
	"jamba/tensor"
)

// mostDigits is the largest number that activations beside weights of 8 bits become: 127 in both digits to the base 256.
const mostDigits = 127<<8 + 127

// rounding returns how many of k activations share a scale for products with weights of that type, and the largest integer
// that they become.
func rounding(d tensor.DType, k int) (block int, limit float32) {
	switch d {
	case tensor.INT8:
		return k, mostDigits
	case tensor.Q4_K, tensor.Q5_K:
		return 128, 8191
	case tensor.Q6_K:
		return 128, 4063
	}
	return 32, mostDigits
}

// roundActivations is what the integer kernels are to make of activations: blocks of multiples of a scale, the largest
// limit times it.
func roundActivations(x []float32, d tensor.DType, k int) []float64 {
	block, limit := rounding(d, k)
	out := make([]float64, len(x))
	for b := 0; b < len(x); b += block {
		most := float32(0)
		for _, v := range x[b : b+block] {
			most = max(most, max(v, -v))
		}
		if most == 0 {
			continue
		}
		scale, inverse := most/limit, limit/most
		for i, v := range x[b : b+block] {
			out[b+i] = math.RoundToEven(float64(v*inverse)) * float64(scale)
		}
	}
	return out
}

func packedTypes(t *testing.T, f func(t *testing.T, r *rand.Rand, w *Matrix, weights []float32)) {
	if active.pack == nil {
		t.Skip("these kernels pack nothing")
	}
	for _, d := range dtypes {
		if !packs(d) {
			continue
		}
		t.Run(d.String(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(d)))
			for _, shape := range [][2]int{{1, 1}, {8, 2}, {23, 3}} {
				w, weights := randomMatrix(t, r, d, shape[0], shape[1]*max(d.BlockValues(), 32))
				w.Pack(new(Slab))
				if !w.Integer() {
					t.Fatal("not packed")
				}
				f(t, r, &w, weights)
			}
		})
	}
}

func TestPackedMatMul(t *testing.T) {
	packedTypes(t, func(t *testing.T, r *rand.Rand, w *Matrix, weights []float32) {
		for _, m := range []int{1, 2, 3, 4, 5, 6, 7, 13, 100} {
			x := random(r, m*w.K)
			clear(x[:32])
			x[w.K-1] = 1e6
			got := make([]float32, m*w.N)
			MatMul(got, x, w)
			q := roundActivations(x, w.DType, w.K)
			for i := range m {
				for j := range w.N {
					var sum, scale float64
					row := weights[j*w.K : (j+1)*w.K]
					most := max(float64(slices.Max(row)), -float64(slices.Min(row)))
					for k, v := range row {
						sum += q[i*w.K+k] * float64(v)
						// With minima the parts of a weight are larger than the weight.
						scale += math.Abs(q[i*w.K+k]) * most
					}
					if e := math.Abs(float64(got[i*w.N+j]) - sum); !(e <= 2e-5*scale+1e-30) {
						t.Fatalf("[%d, %d]·[%d, %d]: element %d, %d is %v, want %v", m, w.K, w.N, w.K, i, j, got[i*w.N+j], sum)
					}
				}
			}
		}
	})
}

func TestPackedInvariance(t *testing.T) {
	defer par.SetThreads(0)
	packedTypes(t, func(t *testing.T, r *rand.Rand, w *Matrix, _ []float32) {
		const rows = 72
		x, want := random(r, rows*w.K), make([]float32, rows*w.N)
		par.SetThreads(1)
		for i := range rows {
			MatMul(want[i*w.N:(i+1)*w.N], x[i*w.K:(i+1)*w.K], w)
		}
		same := func(w *Matrix, way string) {
			for _, threads := range []int{1, 2, 4} {
				par.SetThreads(threads)
				for _, m := range invariant(rows) {
					got := make([]float32, m*w.N)
					MatMul(got, x[:m*w.K], w)
					if !slices.Equal(got, want[:m*w.N]) {
						t.Fatalf("%d rows on %d threads%s give other bits than one row on one thread", m, threads, way)
					}
				}
			}
		}
		same(w, "")
		if p, ok := w.weights.(*packed); ok && p.from != never { // as a measured choice may have it
			many := *p
			many.from = 1
			same(&Matrix{N: w.N, K: w.K, DType: w.DType, weights: &many}, " by "+many.way(1).(manyWay).String())
		}
	})
}

// TestPieces asserts that the pieces of a product, in ranges cut anywhere, are the whole of it, with the bits of rows by
// themselves: of all types, and of one block of rows and several.
func TestPieces(t *testing.T) {
	if active.pack == nil {
		t.Skip("these kernels pack nothing")
	}
	for _, d := range dtypes {
		if !packs(d) {
			continue
		}
		r := rand.New(rand.NewPCG(8, uint64(d)))
		k := max(64, d.BlockValues())
		w, _ := randomMatrix(t, r, d, 150, k)
		w.Pack(new(Slab))
		p, ok := w.weights.(*packed)
		if !ok {
			continue // a type that this tier does not multiply in panels
		}
		for _, m := range []int{1, wideFrom, 100, 193, 259, 521} {
			x, got, want := random(r, m*k), make([]float32, m*w.N), make([]float32, m*w.N)
			for i := range m {
				MatMul(want[i*w.N:(i+1)*w.N], x[i*k:(i+1)*k], &w)
			}
			way := p.way(m)
			var to rounded
			to.grow(way.roundedRows(m), p)
			(&roundLoop{&to, x, m, p, way}).Range(0, m)
			l := packedLoop{dst: got, x: &to, p: p, way: way, m: m}
			n := way.pieces(p, m)
			for lo := 0; lo < n; {
				hi := lo + 1 + r.IntN(n-lo)
				l.Range(lo, hi)
				lo = hi
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%v, %d rows in %d pieces: other bits than row by row", d, m, n)
			}
		}
	}
}

// TestPackedWide asserts that products of many rows have the bits of the same rows by themselves: with parts of tiles, of
// pairs of panels and of what is widened at a time, and on any number of threads.
func TestPackedWide(t *testing.T) {
	if active.pack == nil {
		t.Skip("these kernels pack nothing")
	}
	defer par.SetThreads(0)
	for _, d := range dtypes {
		if !packs(d) {
			continue
		}
		r := rand.New(rand.NewPCG(7, uint64(d)))
		unit := max(32, d.BlockValues())
		sizes := [][3]int{
			{wideFrom, 1, 32},
			{wideFrom + 1, 8, 96},
		}
		for _, shape := range []wideShape{twoPanels, fourPanels} {
			sizes = append(sizes, [][3]int{
				{wideFrom + 2, 16, shape.columns},
				{wideFrom + 3, 17, shape.columns + 32},
				{wideFrom + 4, 40, 2 * shape.columns},
				{wideFrom + 5, 25, 2*shape.columns + 256},
				{shape.rows - 1, 9, 256},
				{shape.rows, 24, 64},
				{shape.rows + 1, 33, 800},
				{2*shape.rows + 7, 16, shape.columns},
			}...)
		}
		for _, s := range sizes {
			m, n, k := s[0], s[1], (s[2]+unit-1)/unit*unit
			w, _ := randomMatrix(t, r, d, n, k)
			w.Pack(new(Slab))
			x, want := random(r, m*k), make([]float32, m*n)
			for i := range m {
				MatMul(want[i*n:(i+1)*n], x[i*k:(i+1)*k], &w)
			}
			for threads := 1; threads <= 3; threads++ {
				par.SetThreads(threads)
				got := random(r, m*n) // to be overwritten
				MatMul(got, x, &w)
				if !slices.Equal(got, want) {
					t.Fatalf("%v [%d, %d]·[%d, %d] on %d threads: other bits than row by row", d, m, k, n, k, threads)
				}
			}
		}
	}
}

// TestPackedLargest asserts that sums of the largest integers do not overflow: all bits of the weights set, or, of
// Q6_K, the lowest weights with the lowest scales, times activations that are equal.
func TestPackedLargest(t *testing.T) {
	if active.pack == nil {
		t.Skip("these kernels pack nothing")
	}
	const half = 1 // as a float16 its least, so that products stay finite
	for _, d := range []tensor.DType{tensor.Q8_0, tensor.Q5_1, tensor.Q4_1, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K, tensor.INT8} {
		const n = 9
		k, size := 1024, d.BlockBytes()
		if d.RowScaled() {
			k = maxRowScaled
			size, _ = d.RowBytes(k)
		}
		row, _ := d.RowBytes(k)
		data := make([]byte, n*row)
		for b := 0; b < len(data); b += size {
			block := data[b : b+size]
			halves := block[:2] // where the scale lies, and the minimum's after it
			switch d {
			case tensor.Q8_0, tensor.INT8:
				for i := range block {
					block[i] = 0x80
				}
			case tensor.Q6_K:
				for i := 192; i < 208; i++ {
					block[i] = 0x80
				}
				halves = block[208:210]
			default:
				for i := range block {
					block[i] = 0xFF
				}
				halves = block[:4]
				halves[2], halves[3] = 0, 0
			}
			halves[0], halves[1] = half, 0
		}
		w, err := NewMatrix(tensor.Tensor{DType: d, Shape: []int{n, k}, Data: data})
		if err != nil {
			t.Fatal(err)
		}
		weights := make([]float32, k)
		w.Row(weights, n-1)
		w.Pack(new(Slab))
		_, limit := rounding(d, k)
		for _, m := range []int{1, 2, 3, 4, 5, 6, 7, 8, wideFrom} {
			// The largest integers, and those with the largest lower digits: half of the base, or one less.
			for _, v := range []float32{limit, -limit, limit - 128, limit - 127, limit - 64, limit - 63, limit - 32, limit - 31} {
				x, got := make([]float32, m*k), make([]float32, m*n)
				for i := range x {
					x[i] = v
				}
				var want float64
				for i, weight := range weights {
					if i%128 == 0 { // which is why the others are not the largest
						x[i] = limit
					}
					want += float64(x[i]) * float64(weight)
				}
				for i := k; i < len(x); i++ {
					x[i] = x[i%k]
				}
				MatMul(got, x, &w)
				for i, y := range got {
					if !(math.Abs(float64(y)-want) <= 1e-6*math.Abs(want)) {
						t.Fatalf("%v, %d rows: element %d is %v, want %v", d, m, i, y, want)
					}
				}
			}
		}
	}
}

// TestPackedTiny asserts that activations whose scale has no finite inverse count as zeroes, and their neighbours not.
func TestPackedTiny(t *testing.T) {
	packedTypes(t, func(t *testing.T, r *rand.Rand, w *Matrix, weights []float32) {
		_, limit := rounding(w.DType, w.K)
		x, got := make([]float32, w.K), make([]float32, w.N)
		for _, most := range []float32{0x1p-149, 1e-40, 1e-38, 1e-36, 9e-35 * limit / mostDigits} {
			for i := range x {
				x[i] = most * (2*r.Float32() - 1)
			}
			x[0] = most
			MatMul(got, x, w)
			for j, v := range got {
				if v != 0 {
					t.Fatalf("activations of up to %v: column %d is %v", most, j, v)
				}
			}
		}
		x[w.K-1] = 1
		MatMul(got, x, w)
		for j, v := range got {
			row := weights[j*w.K : (j+1)*w.K]
			if want, scale := row[w.K-1], max(slices.Max(row), -slices.Min(row)); !(max(v-want, want-v) <= 3/limit*scale) {
				t.Fatalf("one activation of 1 gives %v, want %v", v, want)
			}
		}
	})
}

// TestPackedStays asserts that a packed matrix gives the same products when another tier is in use.
func TestPackedStays(t *testing.T) {
	defer func(old *table) { active = old }(active)
	packedTypes(t, func(t *testing.T, r *rand.Rand, w *Matrix, _ []float32) {
		x, want, got := random(r, 3*w.K), make([]float32, 3*w.N), make([]float32, 3*w.N)
		MatMul(want, x, w)
		for _, other := range tiers {
			packer := active
			active = other
			MatMul(got, x, w)
			active = packer
			if !slices.Equal(got, want) {
				t.Fatalf("other products with %s in use", other.name)
			}
		}
	})
}

func TestQuantizeNonFinite(t *testing.T) {
	const n, k = 40, 64
	v := make([]float32, n*k)
	v[7*k+5], v[20*k] = float32(math.NaN()), float32(math.Inf(1))
	w, err := NewMatrix(tensor.FromFloat32s("w", v, n, k))
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Quantize(tensor.Q8_0)
	if err == nil || !strings.HasPrefix(err.Error(), "row 7: ") || strings.Contains(err.Error(), "20") {
		t.Errorf("a NaN in row 7 and an infinity in row 20 give %v", err)
	}
	if w.DType != tensor.F32 {
		t.Errorf("the matrix is %v now", w.DType)
	}
}

// TestPackedNonFinite asserts that what is no number stays none: the model stops on it.
func TestPackedNonFinite(t *testing.T) {
	packedTypes(t, func(t *testing.T, r *rand.Rand, w *Matrix, _ []float32) {
		for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			x, got := random(r, w.K), make([]float32, w.N)
			x[w.K/2] = float32(v)
			MatMul(got, x, w)
			if Finite(got) {
				t.Fatalf("%v among the activations gives the finite %v", v, got)
			}
			for _, m := range []int{3, 50, wideFrom * 3} { // every way gives the same
				many, all := make([]float32, m*w.K), make([]float32, m*w.N)
				for i := range m {
					copy(many[i*w.K:], x)
				}
				MatMul(all, many, w)
				for i := range m {
					equalBits(t, "rows", all[i*w.N:(i+1)*w.N], got)
				}
			}
		}
	})
}
