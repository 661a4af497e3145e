package kernel

import "math"

// RoPETable writes the rotations of positions start, start+1, … to cos and sin, each [M, len(invFreq)]: the angle of
// position p and pair i is p·invFreq[i], rounded to float32 as the reference does, and both are multiplied by scale.
// (RoFormer, Su et al. 2021, eq. 15; scale is YaRN's attention factor, Peng et al. 2023, section 3.4.)
func RoPETable(cos, sin, invFreq []float32, start int, scale float32) {
	n := len(invFreq)
	for t := range len(cos) / n {
		for i, f := range invFreq {
			s, c := math.Sincos(float64(float32(start+t) * f))
			cos[t*n+i], sin[t*n+i] = float32(c)*scale, float32(s)*scale
		}
	}
}

// RoPE rotates the heads of x [M, heads, D] by the tables of RoPETable, each [M, D/2]. A pair is (i, i+D/2), or
// (2i, 2i+1) if interleaved.
func RoPE(x, cos, sin []float32, heads, d int, interleaved bool) {
	half := d / 2
	step, apart := 1, half
	if interleaved {
		step, apart = 2, 1
	}
	for t := range len(x) / (heads * d) {
		c, s := cos[t*half:(t+1)*half], sin[t*half:(t+1)*half]
		for h := range heads {
			v := x[(t*heads+h)*d : (t*heads+h+1)*d]
			for i := range half {
				a, b := v[i*step], v[i*step+apart]
				v[i*step], v[i*step+apart] = a*c[i]-b*s[i], b*c[i]+a*s[i]
			}
		}
	}
}
