package kernel

import "math"

// grain is how many activations make a thread worth waking.
const grain = 1 << 12

// SiLUMul computes gate = silu(gate)·up, with silu(x) = x/(1+exp(-x)).
func SiLUMul(gate, up []float32) {
	siluLoops.run(len(gate), grain, siluLoop{gate, up})
}

type siluLoop struct{ gate, up []float32 }

var siluLoops loops[siluLoop, *siluLoop]

// Range computes the values [lo, hi), some at a time: a call has to end soon.
func (l *siluLoop) Range(lo, hi int) {
	for ; lo < hi; lo += grain {
		end := min(lo+grain, hi)
		active.siluMul(l.gate[lo:end], l.up[lo:end])
	}
}

func siluMulGeneric(gate, up []float32) {
	for i, v := range gate {
		gate[i] = silu(v) * up[i]
	}
}

// Softplus replaces x by log(1+exp(x)), and leaves values above 20 as they are, as torch does.
func Softplus(x []float32) {
	softplusLoops.run(len(x), grain, softplusLoop{x})
}

type softplusLoop struct{ x []float32 }

var softplusLoops loops[softplusLoop, *softplusLoop]

// Range computes the values [lo, hi).
func (l *softplusLoop) Range(lo, hi int) {
	for ; lo < hi; lo += grain {
		active.softplus(l.x[lo:min(lo+grain, hi)])
	}
}

func softplusGeneric(x []float32) {
	for i, v := range x {
		if v <= 20 {
			x[i] = float32(math.Log1p(math.Exp(float64(v))))
		}
	}
}

func expSumGeneric(x []float32, top float32) float32 {
	var sum float32
	for i, v := range x {
		x[i] = exp(v - top)
		sum += x[i]
	}
	return sum
}

func silu(x float32) float32 { return x / (1 + exp(-x)) }

// exp returns e^x within 2 units in the last place; results below the smallest normal number are 0, those above the
// largest +Inf, and NaN stays NaN. x is split into n·ln 2 + r with |r| <= ln 2 / 2, and e^r is a polynomial (Cephes, expf).
func exp(x float32) float32 {
	const (
		log2e = 1.44269504088896341
		ln2Hi = 0.693359375
		ln2Lo = -2.12194440e-4
		round = 3 << 22 // added and subtracted, it rounds to the nearest integer
	)
	switch {
	case x > 88.72283:
		return float32(math.Inf(1))
	case x < -87.33654:
		return 0
	case x != x:
		return x
	}
	n := float32(x*log2e+round) - round
	r := x - n*ln2Hi
	r -= n * ln2Lo
	p := float32(1.9875691500e-4)
	p = p*r + 1.3981999507e-3
	p = p*r + 8.3334519073e-3
	p = p*r + 4.1665795894e-2
	p = p*r + 1.6666665459e-1
	p = p*r + 5.0000001201e-1
	p = p*r*r + r + 1
	// 2^n in two factors: n is at most 128, for which there is no power by itself.
	half := int32(n) >> 1
	return p * math.Float32frombits(uint32(half+127)<<23) * math.Float32frombits(uint32(int32(n)-half+127)<<23)
}
