package quant

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"jamba/tensor"
)

var (
	quantized = []tensor.DType{tensor.Q8_0, tensor.Q4_0, tensor.Q4_1, tensor.Q5_0, tensor.Q5_1, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K}
	// The half precisions come first.
	quantizers = []tensor.DType{tensor.F16, tensor.BF16, tensor.Q8_0, tensor.Q4_0, tensor.Q4_1, tensor.Q5_0, tensor.Q5_1}
)

// read returns a file of testdata/make_quant.py.
func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readF32(t *testing.T, name string) []float32 {
	t.Helper()
	b := read(t, name)
	f := make([]float32, len(b)/4)
	Dequantize(f, tensor.F32, b)
	return f
}

func TestDequantize(t *testing.T) {
	for _, d := range quantized {
		want := readF32(t, d.String()+".f32")
		got := make([]float32, len(want))
		Dequantize(got, d, read(t, d.String()+".blocks"))
		for i := range want {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				t.Errorf("%v: value %d of block %d is %v, want %v", d, i%d.BlockValues(), i/d.BlockValues(), got[i], want[i])
				break
			}
		}
	}
}

// split are the formats that are taken apart into integers.
var split = []tensor.DType{
	tensor.Q2_K, tensor.Q3_K, tensor.IQ4_NL, tensor.IQ4_XS, tensor.IQ3_XXS, tensor.IQ3_S, tensor.IQ2_XXS, tensor.IQ2_XS,
	tensor.IQ2_S, tensor.IQ1_S, tensor.IQ1_M, tensor.MXFP4, tensor.TQ1_0, tensor.TQ2_0,
}

// TestDequantizeSplit compares every block with the sums of blocks.json.
func TestDequantizeSplit(t *testing.T) {
	var want map[string]struct {
		SHA256 []string
		First  []float32
	}
	if err := json.Unmarshal(read(t, "blocks.json"), &want); err != nil {
		t.Fatal(err)
	}
	for _, d := range split {
		b, w := read(t, d.String()+".blocks"), want[d.String()]
		if len(w.SHA256) < 14 || len(b) != len(w.SHA256)*d.BlockBytes() {
			t.Fatalf("%v: %d bytes of %d blocks", d, len(b), len(w.SHA256))
		}
		got := make([]float32, d.BlockValues())
		for i, sum := range w.SHA256 {
			Dequantize(got, d, b[i*d.BlockBytes():(i+1)*d.BlockBytes()])
			var bits []byte
			for _, v := range got {
				if v != v {
					v = math.Float32frombits(0x7fc00000)
				}
				bits = le.AppendUint32(bits, math.Float32bits(v))
			}
			if s := fmt.Sprintf("%x", sha256.Sum256(bits)); !strings.HasPrefix(s, sum) {
				t.Errorf("%v: block %d has the values %v", d, i, got)
			}
		}
		if !slices.Equal(got[:len(w.First)], w.First) {
			t.Errorf("%v: the last block is %v, want %v", d, got[:len(w.First)], w.First)
		}
		// As one row.
		row := make([]float32, len(w.SHA256)*d.BlockValues())
		Dequantize(row, d, b)
		if !slices.Equal(row[len(row)-len(got):], got) {
			t.Errorf("%v: a row ends with other values than its last block", d)
		}
	}
}

func TestQuantize(t *testing.T) {
	src := readF32(t, "source.f32")
	for _, d := range quantizers {
		want := read(t, d.String()+".quantized")
		got := make([]byte, len(want))
		if err := Quantize(got, d, src); err != nil {
			t.Error(err)
			continue
		}
		size := d.BlockBytes()
		for i := 0; i < len(want); i += size {
			if !bytes.Equal(got[i:i+size], want[i:i+size]) {
				t.Errorf("%v: block %d is\n%x, want\n%x", d, i/size, got[i:i+size], want[i:i+size])
				break
			}
		}
	}
}

func TestF32IsCopied(t *testing.T) {
	src := readF32(t, "source.f32")
	b := make([]byte, 4*len(src))
	if err := Quantize(b, tensor.F32, src); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, read(t, "source.f32")) {
		t.Error("F32 differs from its source")
	}
}

// TestRoundTrip bounds the error of quantization by the distance between the numbers of a block.
func TestRoundTrip(t *testing.T) {
	// steps is how many steps the range of a block is divided into, from -top to top or from lowest to highest.
	steps := map[tensor.DType]float64{tensor.Q8_0: 254, tensor.Q4_0: 16, tensor.Q4_1: 15, tensor.Q5_0: 32, tensor.Q5_1: 31}
	rapid.Check(t, func(t *rapid.T) {
		exp := rapid.Float64Range(-3, 4).Draw(t, "exponent")
		unit := rapid.Float32Range(-1, 1)
		x := rapid.SliceOfN(unit, 64, 64).Draw(t, "x")
		for i := range x {
			x[i] *= float32(math.Pow(10, exp))
		}
		for d, n := range steps {
			size, _ := d.RowBytes(len(x))
			b := make([]byte, size)
			if err := Quantize(b, d, x); err != nil {
				t.Fatal(err)
			}
			y := make([]float32, len(x))
			Dequantize(y, d, b)
			for i := 0; i < len(x); i += blockLen {
				block := (*[blockLen]float32)(x[i:])
				lo, hi := span(block)
				top := float64(max(hi, -lo))
				width := 2 * top
				if d == tensor.Q4_1 || d == tensor.Q5_1 {
					width = float64(hi - lo)
				}
				// Half a step to the nearest number, or a whole one at the end of the range that Q4_0 and
				// Q5_0 do not reach. Scale and minimum are rounded to F16, to 11 bits or, where it is
				// coarser, to 2⁻²⁵: the scale's error counts up to 127 times.
				step := width / n
				if d == tensor.Q8_0 || d == tensor.Q4_1 || d == tensor.Q5_1 {
					step /= 2
				}
				bound := step + 2*top/2048 + 128*0x1p-25
				for j := i; j < i+blockLen; j++ {
					if e := math.Abs(float64(x[j]) - float64(y[j])); e > bound {
						t.Fatalf("%v: %v became %v, more than %v away", d, x[j], y[j], bound)
					}
				}
			}
		}
	})
}

// TestTinyScale has blocks whose scale has no finite inverse. They become zeros.
func TestTinyScale(t *testing.T) {
	x := make([]float32, blockLen)
	for i := range x {
		x[i] = math.SmallestNonzeroFloat32 * float32(i)
	}
	for _, d := range quantizers[2:] {
		size, _ := d.RowBytes(len(x))
		b := make([]byte, size)
		if err := Quantize(b, d, x); err != nil {
			t.Error(err)
		}
		zeros := make([]byte, size)
		if err := Quantize(zeros, d, make([]float32, len(x))); err != nil {
			t.Error(err)
		}
		if !bytes.Equal(b, zeros) {
			t.Errorf("%v: %x, want %x", d, b, zeros)
		}
	}
}

func TestQuantizeErrors(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, c := range []struct {
		d    tensor.DType
		x    float32
		want string
	}{
		{tensor.Q8_0, nan, "quant: Q8_0: value 37 is NaN"},
		{tensor.Q4_0, inf, "quant: Q4_0: value 37 is -Inf"},
		{tensor.Q4_1, nan, "quant: Q4_1: value 37 is NaN"},
		{tensor.Q8_0, 65520 * 127, "quant: Q8_0: values 32 to 63 need a scale or minimum that overflows F16"},
		{tensor.Q4_0, 65520 * 8, "quant: Q4_0: values 32 to 63 need a scale or minimum that overflows F16"},
		{tensor.Q4_1, -65520, "quant: Q4_1: values 32 to 63 need a scale or minimum that overflows F16"},
		{tensor.Q4_1, 65520 * 15, "quant: Q4_1: values 32 to 63 need a scale or minimum that overflows F16"},
		{tensor.Q5_0, 65520 * 16, "quant: Q5_0: values 32 to 63 need a scale or minimum that overflows F16"},
		{tensor.Q5_1, -65520, "quant: Q5_1: values 32 to 63 need a scale or minimum that overflows F16"},
		{tensor.Q5_1, math.MaxFloat32, "quant: Q5_1: values 32 to 63 need a scale or minimum that overflows F16"},
		{tensor.F16, 65520, "quant: F16: value 37 is 65520, which overflows"},
		{tensor.BF16, math.MaxFloat32, "quant: BF16: value 37 is 3.4028235e+38, which overflows"},
		{tensor.Q2_K, nan, "quant: Q2_K: value 37 is NaN"},
		{tensor.Q3_K, inf, "quant: Q3_K: value 37 is -Inf"},
		{tensor.Q2_K, 65520 * 15 * 3 * 1.2, "quant: Q2_K: values 0 to 255 need a scale or minimum that overflows F16"},
		{tensor.Q2_K, -65520 * 15 * 4, "quant: Q2_K: values 0 to 255 need a scale or minimum that overflows F16"},
		{tensor.Q3_K, 65520 * 32 * 4 * 1.3, "quant: Q3_K: values 0 to 255 need a scale or minimum that overflows F16"},
		{tensor.Q3_K, -math.MaxFloat32, "quant: Q3_K: values 0 to 255 need a scale or minimum that overflows F16"},
		{tensor.IQ4_NL, 1, "quant: IQ4_NL: quantizing to this type is not supported"},
		{tensor.MXFP4, 1, "quant: MXFP4: quantizing to this type is not supported"},
		{tensor.F8_E4M3, 1, "quant: F8_E4M3: quantizing to this type is not supported"},
		{tensor.Q4_K, nan, "quant: Q4_K: value 37 is NaN"},
		{tensor.Q5_K, inf, "quant: Q5_K: value 37 is -Inf"},
		{tensor.Q6_K, inf, "quant: Q6_K: value 37 is -Inf"},
		{tensor.Q4_K, 65520 * 63 * 15, "quant: Q4_K: values 0 to 255 need a scale or minimum that overflows F16"},
		{tensor.Q4_K, -65520 * 63, "quant: Q4_K: values 0 to 255 need a scale or minimum that overflows F16"},
		{tensor.Q5_K, 65520 * 63 * 31, "quant: Q5_K: values 0 to 255 need a scale or minimum that overflows F16"},
		{tensor.Q6_K, 65520 * 128 * 32, "quant: Q6_K: values 0 to 255 need a scale or minimum that overflows F16"},
		{tensor.Q4_K, math.MaxFloat32, "quant: Q4_K: values 0 to 255 need a scale or minimum that overflows F16"},
		{tensor.Q5_K, -math.MaxFloat32, "quant: Q5_K: values 0 to 255 need a scale or minimum that overflows F16"},
		{tensor.Q6_K, 1e20, "quant: Q6_K: values 0 to 255 need a scale or minimum that overflows F16"},
		{tensor.Q6_K, -math.MaxFloat32, "quant: Q6_K: values 0 to 255 need a scale or minimum that overflows F16"},
	} {
		x := make([]float32, 256)
		x[37] = c.x
		size, _ := c.d.RowBytes(len(x))
		err := Quantize(make([]byte, size), c.d, x)
		if err == nil || err.Error() != c.want {
			t.Errorf("%v of %v: error %v\nwant %s", c.d, c.x, err, c.want)
		}
	}
	// A range that overflows.
	wide := make([]float32, 256)
	wide[0], wide[1] = math.MaxFloat32, -math.MaxFloat32
	for _, d := range fitted {
		size, _ := d.RowBytes(len(wide))
		if err := Quantize(make([]byte, size), d, wide); err == nil {
			t.Errorf("%v of ±%v", d, wide[0])
		}
	}
	// The largest ones that fit, and what the half precisions hold as it is.
	for _, c := range []struct {
		d tensor.DType
		x float32
	}{
		{tensor.Q8_0, 65504 * 127},
		{tensor.Q4_0, -65504 * 8},
		{tensor.Q4_1, -65504},
		{tensor.Q5_1, 65504 * 31},
		{tensor.F16, 65519},
		{tensor.F16, inf},
		{tensor.F16, nan},
		{tensor.BF16, inf},
		{tensor.Q4_K, 65504 * 63 * 14}, // of 14 and 15 steps, either may be taken
		{tensor.Q5_K, -65504 * 63},
		{tensor.Q6_K, 65504 * 128 * 32},
		{tensor.Q2_K, 65504 * 15 * 2.9},
		{tensor.Q3_K, -65504 * 32 * 3.9},
	} {
		x := make([]float32, 256)
		x[0] = c.x
		size, _ := c.d.RowBytes(len(x))
		if err := Quantize(make([]byte, size), c.d, x); err != nil {
			t.Errorf("%v of %v: %v", c.d, c.x, err)
		}
	}
}

func TestWrongLengths(t *testing.T) {
	for _, c := range []struct {
		d             tensor.DType
		values, bytes int
		want          string
	}{
		{tensor.Q8_0, 31, 34, "quant: a row of 31 values is no multiple of the Q8_0 block of 32"},
		{tensor.Q8_0, 64, 67, "quant: 64 values of Q8_0 take 68 bytes, have 67"},
		{tensor.F16, 3, 7, "quant: 3 values of F16 take 6 bytes, have 7"},
		{tensor.Invalid, 0, 0, "quant: no size for dtype invalid"},
		{tensor.DType(200), 0, 0, "quant: no size for dtype DType(200)"},
	} {
		for name, call := range map[string]func(){
			"Dequantize": func() { Dequantize(make([]float32, c.values), c.d, make([]byte, c.bytes)) },
			"Quantize":   func() { _ = Quantize(make([]byte, c.bytes), c.d, make([]float32, c.values)) },
		} {
			func() {
				defer func() {
					if got, _ := recover().(string); !strings.Contains(got, c.want) {
						t.Errorf("%s of %d values of %v in %d bytes: panic %q, want %q", name, c.values, c.d, c.bytes, got, c.want)
					}
				}()
				call()
			}()
		}
	}
	// Nothing is a row, too.
	for d := tensor.F32; d <= tensor.F8_E5M2; d++ {
		Dequantize(nil, d, nil)
	}
	for _, d := range append(quantizers, fitted...) {
		if err := Quantize(nil, d, nil); err != nil {
			t.Error(err)
		}
	}
}

// TestFloatsOfEightBits compares with torch's: a few numbers, and the SHA-256 of the bits of all that are no NaN.
func TestFloatsOfEightBits(t *testing.T) {
	for d, c := range map[tensor.DType]struct {
		sum  string
		some map[byte]float32
		nan  int
	}{
		tensor.F8_E4M3: {"f275e267d1b70f2c", map[byte]float32{0: 0, 1: 0x1p-9, 8: 0x1p-6, 0x38: 1, 0xB9: -1.125, 0x7E: 448}, 2},
		tensor.F8_E5M2: {"57efec4fe3706656", map[byte]float32{0: 0, 1: 0x1p-16, 4: 0x1p-14, 0x3C: 1, 0xBD: -1.25, 0x7B: 57344, 0x7C: float32(math.Inf(1))}, 6},
	} {
		all, v, nan := make([]byte, 256), make([]float32, 256), 0
		for i := range all {
			all[i] = byte(i)
		}
		Dequantize(v, d, all)
		var bits []byte
		for _, f := range v {
			if f != f {
				nan++
				continue
			}
			bits = le.AppendUint32(bits, math.Float32bits(f))
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(bits)); got[:16] != c.sum || nan != c.nan {
			t.Errorf("%v: sum %s, %d NaN", d, got[:16], nan)
		}
		for b, want := range c.some {
			if v[b] != want {
				t.Errorf("%v: %#x is %v, want %v", d, b, v[b], want)
			}
		}
	}
}
