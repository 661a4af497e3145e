package quant

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"jamba/tensor"
)

// fitted are the formats that are fitted by least squares.
var fitted = []tensor.DType{tensor.Q2_K, tensor.Q3_K, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K}

// nearNormal returns n sums of twelve uniform numbers of 24 bits less their mean, the same as testdata/make_rmse.py.
func nearNormal(n int) []float64 {
	var state uint64 = 1
	x := make([]float64, n)
	for i := range x {
		sum := int64(0)
		for range 12 {
			state += 0x9e3779b97f4a7c15 // splitmix64
			z := state
			z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
			z = (z ^ z>>27) * 0x94d049bb133111eb
			sum += int64((z ^ z>>31) >> 40)
		}
		x[i] = float64(sum-6<<24) / (1 << 24)
	}
	return x
}

func roundTrip(t testing.TB, d tensor.DType, x []float32) []float32 {
	t.Helper()
	size, err := d.RowBytes(len(x))
	if err != nil {
		t.Fatal(err)
	}
	b, y := make([]byte, size), make([]float32, len(x))
	if err := Quantize(b, d, x); err != nil {
		t.Fatalf("%v: %v", d, err)
	}
	Dequantize(y, d, b)
	return y
}

func rmse(x, y []float32) float64 {
	sum := 0.0
	for i := range x {
		e := float64(x[i]) - float64(y[i])
		sum += e * e
	}
	return math.Sqrt(sum / float64(len(x)))
}

// TestFitsAsWellAsTheReference compares with the errors of llama.cpp's quantizers on the same values, which
// testdata/make_rmse.py prints.
func TestFitsAsWellAsTheReference(t *testing.T) {
	n := nearNormal(64 * 256)
	for _, c := range []struct {
		name  string
		value func(n float64) float64
		want  map[tensor.DType]float64
	}{
		{"normal", func(n float64) float64 { return n * 0.02 }, map[tensor.DType]float64{
			tensor.Q2_K: 5.943124e-3, tensor.Q3_K: 2.993097e-3,
			tensor.Q4_K: 1.422756e-3, tensor.Q5_K: 7.210273e-4, tensor.Q6_K: 3.529444e-4,
			tensor.Q4_0: 1.704428e-3, tensor.Q4_1: 1.565822e-3, tensor.Q5_0: 8.548881e-4, tensor.Q5_1: 7.556139e-4, tensor.Q8_0: 1.064559e-4,
		}},
		{"cubed", func(n float64) float64 { return n * n * n * 0.01 }, map[tensor.DType]float64{
			tensor.Q2_K: 1.522835e-2, tensor.Q3_K: 5.858520e-3,
			tensor.Q4_K: 3.351222e-3, tensor.Q5_K: 1.841830e-3, tensor.Q6_K: 9.321591e-4,
			tensor.Q4_0: 4.170492e-3, tensor.Q4_1: 4.216134e-3, tensor.Q5_0: 2.228788e-3, tensor.Q5_1: 2.065101e-3, tensor.Q8_0: 3.225156e-4,
		}},
		{"shifted", func(n float64) float64 { return float64(n*0.02) + 0.05 }, map[tensor.DType]float64{
			tensor.Q2_K: 7.174952e-3, tensor.Q3_K: 5.830353e-3,
			tensor.Q4_K: 1.605695e-3, tensor.Q5_K: 7.975730e-4, tensor.Q6_K: 6.869915e-4,
			tensor.Q4_0: 3.270226e-3, tensor.Q4_1: 1.565777e-3, tensor.Q5_0: 1.637125e-3, tensor.Q5_1: 7.556520e-4, tensor.Q8_0: 2.062629e-4,
		}},
	} {
		x := make([]float32, len(n))
		for i, v := range n {
			x[i] = float32(c.value(v))
		}
		for d, want := range c.want {
			got := rmse(x, roundTrip(t, d, x))
			t.Logf("%s %v: %.4g, %.4f of the reference's", c.name, d, got, got/want)
			if got > 1.001*want {
				t.Errorf("%s %v: error %.6g, the reference's is %.6g", c.name, d, got, want)
			}
		}
	}
}

// TestFitErrorIsBounded bounds the errors of any block, wild ones among them, by the distance between its numbers.
func TestFitErrorIsBounded(t *testing.T) {
	// A sub-block's step is at most its range over the largest number; scales and minima are rounded to a 63rd (a 128th
	// for Q6_K) of the super-block's largest, and those to F16.
	// Of Q2_K it is a 15th, of Q3_K a 32nd.
	scales := map[tensor.DType]float64{tensor.Q2_K: 15, tensor.Q3_K: 32, tensor.Q4_K: 63, tensor.Q5_K: 63, tensor.Q6_K: 63}
	rapid.Check(t, func(t *rapid.T) {
		x := make([]float32, superLen)
		shift := rapid.Float64Range(-2, 2).Draw(t, "shift")
		exponent := rapid.IntRange(-9, 5).Draw(t, "exponent")
		for j := range 16 {
			sub := rapid.IntRange(-4, 0).Draw(t, "sub-block's exponent")
			for i := range 16 {
				v := rapid.Float64Range(-1, 1).Draw(t, "v")
				x[16*j+i] = float32((v + shift) * math.Pow(10, float64(exponent+sub)))
			}
		}
		top := float64(largest(x))
		for d, steps := range map[tensor.DType]float64{tensor.Q2_K: 3, tensor.Q3_K: 3, tensor.Q4_K: 15, tensor.Q5_K: 31, tensor.Q6_K: 31} {
			size, _ := d.RowBytes(len(x))
			b, y := make([]byte, size), make([]float32, len(x))
			if err := Quantize(b, d, x); err != nil {
				t.Fatalf("%v: %v", d, err)
			}
			Dequantize(y, d, b)
			width := 2 * top // from the least value, or zero, to the largest
			bound := width/steps + 2*top/scales[d] + 2*top/1024 + 64*tiny
			for i := range x {
				if e := math.Abs(float64(x[i]) - float64(y[i])); !(e <= bound) {
					t.Fatalf("%v: value %d, %v, became %v, more than %v away", d, i, x[i], y[i], bound)
				}
			}
			if got, most := rmse(x, y), bound/2; got > most {
				t.Fatalf("%v: error %v of values up to %v", d, got, top)
			}
		}
	})
}

// TestFitSpecialBlocks has blocks with a known result.
func TestFitSpecialBlocks(t *testing.T) {
	fill := func(f func(i int) float64) []float32 {
		x := make([]float32, superLen)
		for i := range x {
			x[i] = float32(f(i))
		}
		return x
	}
	for name, c := range map[string]struct {
		x         []float32
		tolerance float64 // of the largest value
		bits      int     // that it takes; 0: two
	}{
		"zero":             {fill(func(int) float64 { return 0 }), 0, 0},
		"minus zero":       {fill(func(int) float64 { return math.Copysign(0, -1) }), 0, 0},
		"one":              {fill(func(int) float64 { return 1 }), 1e-3, 0},
		"minus one":        {fill(func(int) float64 { return -1 }), 1e-3, 0},
		"largest":          {fill(func(int) float64 { return 3e7 }), 1e-3, 4},
		"least":            {fill(func(int) float64 { return -4e6 }), 1e-3, 4},
		"integers":         {fill(func(i int) float64 { return float64(i % 16) }), 1.0 / 62, 4},
		"one among zeros":  {fill(func(i int) float64 { return float64(i / 255) }), 1e-3, 0},
		"minus one, zeros": {fill(func(i int) float64 { return -float64(i / 255) }), 1e-3, 0},
		"three numbers":    {fill(func(i int) float64 { return float64(i % 4) }), 1.0 / 62, 0},
		"largest of two":   {fill(func(int) float64 { return 2.9e6 }), 1e-3, 0},
		"least of two":     {fill(func(int) float64 { return -9e5 }), 1e-3, 0},
		"two signs":        {fill(func(i int) float64 { return float64(i%2)*2 - 1 }), 1.0 / 31, 0},
		// Scales that F16 holds with few bits: the super-block's scale is rounded up, so that no value is cut off.
		"small": {fill(func(i int) float64 { return 1e-5 * float64(i%16) }), 0.1, 4},
	} {
		for _, d := range fitted {
			if c.bits > 3 && (d == tensor.Q2_K || d == tensor.Q3_K) {
				continue
			}
			y := roundTrip(t, d, c.x)
			for i, v := range y {
				if e := math.Abs(float64(v) - float64(c.x[i])); !(e <= c.tolerance*float64(largest(c.x))) {
					t.Errorf("%s: %v: value %d, %v, became %v", name, d, i, c.x[i], v)
					break
				}
			}
		}
	}
	// Values that differ by little more than float32 tells apart.
	r := rand.New(rand.NewPCG(7, 8))
	for range 3000 {
		center, width := (2*r.Float64()-1)*1.1, math.Pow(10, -7+4*r.Float64())
		x := fill(func(int) float64 { return center * (1 + width*(r.Float64()-0.5)) })
		for _, d := range fitted {
			for i, v := range roundTrip(t, d, x) {
				if e := math.Abs(float64(v - x[i])); e > 0.02*math.Abs(center) {
					t.Fatalf("%v: %v, of values within %.0g of %v, became %v", d, x[i], width, center, v)
				}
			}
		}
	}
	for _, v := range []float32{math.SmallestNonzeroFloat32, 1e-40, 1e-20, 0x1p-25, -0x1p-25} {
		for _, d := range fitted {
			x := fill(func(i int) float64 { return float64(v) * float64(i%3) / 2 })
			size, _ := d.RowBytes(len(x))
			b := bytes.Repeat([]byte{0xff}, size)
			if err := Quantize(b, d, x); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(b, make([]byte, size)) {
				t.Errorf("%v of multiples of %v: %x, want zeros", d, v, b)
			}
		}
	}
}

func TestFitDoesNotAllocate(t *testing.T) {
	x, b := make([]float32, superLen), make([]byte, 256)
	for i := range x {
		x[i] = float32(i%37) - 11
	}
	for _, d := range fitted {
		size, _ := d.RowBytes(len(x))
		if n := testing.AllocsPerRun(10, func() {
			if err := Quantize(b[:size], d, x); err != nil {
				t.Error(err)
			}
		}); n > 0 {
			t.Errorf("%v: %v allocations a block", d, n)
		}
	}
}
