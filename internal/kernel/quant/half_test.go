package quant

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"

	"pgregory.net/rapid"

	"jamba/internal/testutil"
	"jamba/tensor"
)

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// TestHalfSums compares all numbers of both half precisions, and the roundings of numbers near all of theirs and near
// all middles between two of theirs, with what numpy makes of them.
func TestHalfSums(t *testing.T) {
	want := testutil.JSON[map[string]string](t, "testdata/half.json")

	var values, bvalues []byte
	for h := range 1 << 16 {
		values = binary.LittleEndian.AppendUint32(values, math.Float32bits(F16ToF32(uint16(h))))
		bvalues = binary.LittleEndian.AppendUint32(bvalues, math.Float32bits(BF16ToF32(uint16(h))))
	}
	var halves, bhalves []byte
	for _, sign := range []uint32{0, 1 << 31} {
		for i := range uint32(1 << 19) {
			for _, by := range []uint32{0, 1, math.MaxUint32} {
				f := math.Float32frombits((i<<12 + by) | sign)
				halves = binary.LittleEndian.AppendUint16(halves, F32ToF16(f))
				bhalves = binary.LittleEndian.AppendUint16(bhalves, F32ToBF16(f))
			}
		}
	}
	for name, b := range map[string][]byte{"F16Values": values, "BF16Values": bvalues, "F16": halves, "BF16": bhalves} {
		if sum(b) != want[name] {
			t.Errorf("%s: sum %s, want %s", name, sum(b), want[name])
		}
	}
}

// TestF16Values computes all numbers of F16 from the definition.
func TestF16Values(t *testing.T) {
	for h := range 1 << 16 {
		exp, frac := h>>10&31, float64(h&1023)
		var want float64
		switch exp {
		case 0:
			want = math.Ldexp(frac, -24)
		case 31:
			want = math.Inf(1)
			if frac != 0 {
				want = math.NaN()
			}
		default:
			want = math.Ldexp(1024+frac, exp-25)
		}
		if h>>15 == 1 {
			want = -want
		}
		got := float64(F16ToF32(uint16(h)))
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) || math.Signbit(got) != (h>>15 == 1) {
			t.Fatalf("%#04x is %v, want %v", h, got, want)
		}
	}
}

func TestHalfIdentity(t *testing.T) {
	for h := range 1 << 16 {
		if got := F32ToF16(F16ToF32(uint16(h))); got != uint16(h) {
			t.Fatalf("F16 %#04x became %#04x", h, got)
		}
		want := uint16(h)
		if h&0x7fff > 0x7f80 {
			want |= 0x40 // a NaN becomes quiet
		}
		if got := F32ToBF16(BF16ToF32(uint16(h))); got != want {
			t.Fatalf("BF16 %#04x became %#04x, want %#04x", h, got, want)
		}
	}
}

// TestHalfNearest checks that no neighbour of the result is nearer.
func TestHalfNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float32Range(-65504, 65504).Draw(t, "f")
		nearest(t, f, F32ToF16(f), F16ToF32)
		nearest(t, f, F32ToBF16(f), BF16ToF32)
	})
}

func nearest(t *rapid.T, f float32, h uint16, value func(uint16) float32) {
	distance := func(h uint16) float64 { return math.Abs(float64(value(h)) - float64(f)) }
	for _, other := range []uint16{h - 1, h + 1} {
		// Of zero, one neighbour in this order is a NaN.
		if d := distance(other); d < distance(h) || d == distance(h) && h&1 == 1 {
			t.Fatalf("%v became %#04x, %v, but %#04x, %v, is nearer or as near and even", f, h, value(h), other, value(other))
		}
	}
}

// TestHalfRows compares rows of all lengths around the unrolled loops' with the single conversions.
func TestHalfRows(t *testing.T) {
	for n := range 11 {
		b := make([]byte, 2*n)
		for i := range b {
			b[i] = byte(37*i+n) & 0x3f // no NaN, which equals nothing
		}
		f16, bf16 := make([]float32, n), make([]float32, n)
		Dequantize(f16, tensor.F16, b)
		Dequantize(bf16, tensor.BF16, b)
		for i := range n {
			h := binary.LittleEndian.Uint16(b[2*i:])
			if f16[i] != F16ToF32(h) || bf16[i] != BF16ToF32(h) {
				t.Errorf("row of %d: value %d is %v and %v, want %v and %v", n, i, f16[i], bf16[i], F16ToF32(h), BF16ToF32(h))
			}
		}
	}
}
