package model

import (
	"math"
	"testing"
)

// TestFrequencies compares with the formulas of the papers in float64.
func TestFrequencies(t *testing.T) {
	const dim = 16
	plain := func(theta float64, i int) float64 { return math.Pow(theta, -float64(2*i)/dim) }
	// wave is the number of tokens that a pair takes to turn once.
	wave := func(theta float64, i int) float64 { return 2 * math.Pi / plain(theta, i) }
	// blend is YaRN's: 0 keeps the frequency, 1 divides it by the factor.
	blend := func(f, factor, divided float64) float64 { return (1-divided)*f + divided*f/factor }
	ramp := func(i int, low, high float64) float64 { return max(0, min(1, (float64(i)-low)/(high-low))) }
	// turning is the pair, not a whole one, that turns so often over the original context.
	turning := func(turns, original, theta float64) float64 {
		return dim / 2 * math.Log(original/turns/(2*math.Pi)) / math.Log(theta)
	}
	for _, test := range []struct {
		name  string
		rope  RoPE
		want  func(i int) float64
		scale float64
	}{
		{"plain", RoPE{Theta: 5e5}, func(i int) float64 { return plain(5e5, i) }, 1},
		{"linear", RoPE{Theta: 10000, Scaling: "linear", Factor: 4}, func(i int) float64 { return plain(10000, i) / 4 }, 1},
		{
			"llama3",
			RoPE{Theta: 5e5, Scaling: "llama3", Factor: 8, LowFreq: 1, HighFreq: 4, OriginalMax: 8192},
			func(i int) float64 {
				f, w := plain(5e5, i), wave(5e5, i)
				switch {
				case w > 8192/1.0:
					return f / 8
				case w < 8192/4.0:
					return f
				}
				smooth := (8192/w - 1) / (4 - 1)
				return (1-smooth)*f/8 + smooth*f
			}, 1,
		},
		{
			"yarn",
			RoPE{Theta: 10000, Scaling: "yarn", Factor: 8, OriginalMax: 4096, BetaFast: 32, BetaSlow: 1},
			// Between pair 2.6 and pair 5.6.
			func(i int) float64 { return blend(plain(10000, i), 8, ramp(i, 2, 6)) }, 0.1*math.Log(8) + 1,
		},
		{
			"yarn, not rounded",
			RoPE{Theta: 10000, Scaling: "yarn", Factor: 8, OriginalMax: 4096, BetaFast: 32, BetaSlow: 1, Fractional: true},
			func(i int) float64 {
				return blend(plain(10000, i), 8, ramp(i, turning(32, 4096, 10000), turning(1, 4096, 10000)))
			}, 0.1*math.Log(8) + 1,
		},
		{
			"yarn, other betas",
			RoPE{Theta: 10000, Scaling: "yarn", Factor: 8, OriginalMax: 4096, BetaFast: 200, BetaSlow: 4, Fractional: true},
			func(i int) float64 {
				return blend(plain(10000, i), 8, ramp(i, turning(200, 4096, 10000), turning(4, 4096, 10000)))
			}, 0.1*math.Log(8) + 1,
		},
		{
			"yarn, attention factor",
			RoPE{Theta: 10000, Scaling: "yarn", Factor: 8, OriginalMax: 4096, BetaFast: 32, BetaSlow: 1, AttnFactor: 0.7},
			func(i int) float64 { return blend(plain(10000, i), 8, ramp(i, 2, 6)) }, 0.7,
		},
		{
			"yarn, factor below 1",
			RoPE{Theta: 10000, Scaling: "yarn", Factor: 0.5, OriginalMax: 4096, BetaFast: 32, BetaSlow: 1},
			func(i int) float64 { return blend(plain(10000, i), 0.5, ramp(i, 2, 6)) }, 1,
		},
		{
			// The context of 5 is shorter than one turn of the first pair: both ends of the range are at pair 0.
			"yarn, a range of nothing",
			RoPE{Theta: 10000, Scaling: "yarn", Factor: 8, OriginalMax: 5, BetaFast: 32, BetaSlow: 1},
			func(i int) float64 {
				if i == 0 {
					return 1
				}
				return plain(10000, i) / 8
			}, 0.1*math.Log(8) + 1,
		},
		{
			// The reference bounds the range by the dimension and not by the number of pairs.
			"yarn, a range beyond the last pair",
			RoPE{Theta: 10, Scaling: "yarn", Factor: 8, OriginalMax: 1 << 20, BetaFast: 32000, BetaSlow: 1},
			func(i int) float64 {
				return blend(plain(10, i), 8, ramp(i, math.Floor(turning(32000, 1<<20, 10)), dim-1))
			}, 0.1*math.Log(8) + 1,
		},
		{
			"divisors",
			RoPE{Theta: 10000, FreqFactors: []float32{1, 1, 2, 3, 4, 5, 8, 8}, Interleaved: true},
			func(i int) float64 { return plain(10000, i) / []float64{1, 1, 2, 3, 4, 5, 8, 8}[i] }, 1,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.rope.validate(dim); err != nil {
				t.Fatal(err)
			}
			got, scale := test.rope.Frequencies(dim)
			if len(got) != dim/2 || math.Abs(float64(scale)-test.scale) > 1e-6 {
				t.Fatalf("%d frequencies, scale %v; want %d, %v", len(got), scale, dim/2, test.scale)
			}
			for i, f := range got {
				if want := test.want(i); !(math.Abs(float64(f)-want) <= 1e-6*want) {
					t.Errorf("pair %d: %v, want %v", i, f, want)
				}
			}
		})
	}
}
