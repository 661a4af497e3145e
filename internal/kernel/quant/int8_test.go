package quant

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"jamba/tensor"
)

// TestInt8 expects values of a row within half a step of what they were, with the scale that the largest asks for.
func TestInt8(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float32Range(-1, 1), 1, 96).Draw(t, "x")
		exp := rapid.Float64Range(-9, 6).Draw(t, "exponent")
		for i := range x {
			x[i] *= float32(math.Pow(10, exp))
		}
		size, err := tensor.INT8.RowBytes(len(x))
		if err != nil || size != 2+len(x) {
			t.Fatal(size, err)
		}
		b, y := make([]byte, size), make([]float32, len(x))
		if err := Quantize(b, tensor.INT8, x); err != nil {
			t.Fatal(err)
		}
		Dequantize(y, tensor.INT8, b)
		top := largest(x)
		d := F16ToF32(uint16(b[0]) | uint16(b[1])<<8)
		// The scale is that of the largest value, rounded to F16: to 11 bits, or to a multiple of 2⁻²⁴.
		if float64(d) > float64(top)/127*(1+0x1p-10)+0x1p-23 {
			t.Fatalf("scale %v for values up to %v", d, top)
		}
		for i := range x {
			if e := math.Abs(float64(x[i]) - float64(y[i])); e > 0.5001*float64(d)+float64(top)/4000+tiny {
				t.Fatalf("%v became %v with a scale of %v", x[i], y[i], d)
			}
		}
		at := rapid.IntRange(0, len(x)-1).Draw(t, "at")
		part := make([]float32, len(x)-at)
		DequantizeInt8(part, b, at)
		for i, v := range part {
			if v != y[at+i] {
				t.Fatalf("value %d by itself is %v, want %v", at+i, v, y[at+i])
			}
		}
	})
	for x, want := range map[float32]string{
		float32(math.NaN()): "quant: INT8: value 37 is NaN", float32(math.Inf(1)): "quant: INT8: value 37 is +Inf", 65520 * 127: "overflows F16",
	} {
		row := make([]float32, 64)
		row[37] = x
		if err := Quantize(make([]byte, 66), tensor.INT8, row); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", x, err)
		}
	}
}
