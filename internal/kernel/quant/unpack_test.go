package quant

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"jamba/tensor"
)

// TestUnpack puts blocks of random bytes together again and expects what Dequantize makes of them.
func TestUnpack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, d := range []tensor.DType{tensor.Q8_0, tensor.Q4_0, tensor.Q4_1, tensor.Q5_0, tensor.Q5_1, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K} {
		n := d.BlockValues()
		b := Block{Q: make([]int8, n), S: make([]int8, 16), M: make([]int8, 16)}
		for range 100 {
			src := make([]byte, d.BlockBytes())
			for i := range src {
				src[i] = byte(r.Uint32())
			}
			at := 0
			if d == tensor.Q6_K {
				at = 208
			}
			binary.LittleEndian.PutUint16(src[at:], F32ToF16(float32(r.NormFloat64())))
			if d == tensor.Q4_1 || d == tensor.Q5_1 || d == tensor.Q4_K || d == tensor.Q5_K {
				binary.LittleEndian.PutUint16(src[2:], F32ToF16(float32(r.NormFloat64())))
			}
			want := make([]float32, n)
			Dequantize(want, d, src)
			Unpack(&b, d, src)
			for i := range n {
				scale, minimum, sub := F16ToF32(b.Scale), float32(0), 0
				switch d {
				case tensor.Q4_K, tensor.Q5_K:
					sub = i / 32
					scale *= float32(b.S[sub])
					minimum = float32(F16ToF32(b.Min) * float32(b.M[sub]))
				case tensor.Q6_K:
					scale *= float32(b.S[i/16])
				case tensor.Q4_0:
					minimum = float32(-8 * scale)
				case tensor.Q4_1, tensor.Q5_1:
					minimum = F16ToF32(b.Min)
				}
				if got := float32(scale*float32(b.Q[i])) + minimum; got != want[i] {
					t.Fatalf("%v: value %d is %v, want %v", d, i, got, want[i])
				}
			}
		}
	}
}
