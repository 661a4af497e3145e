package model

import (
	"fmt"
	"math"
	"slices"

	"jamba/internal/printable"
)

// RoPE configures rotary position embedding (RoFormer, Su et al. 2021) and the way it is stretched to longer contexts.
type RoPE struct {
	Theta       float64   `json:"rope_theta"`
	Scaling     string    `json:"scaling,omitempty"`                          // "": none; linear, llama3 or yarn
	Factor      float64   `json:"factor,omitempty"`                           // how many times longer than the original context
	OriginalMax int       `json:"original_max_position_embeddings,omitempty"` // llama3, yarn: original_max_position_embeddings
	LowFreq     float64   `json:"low_freq_factor,omitempty"`                  // llama3: low_freq_factor
	HighFreq    float64   `json:"high_freq_factor,omitempty"`                 // llama3: high_freq_factor
	BetaFast    float64   `json:"beta_fast,omitempty"`                        // yarn
	BetaSlow    float64   `json:"beta_slow,omitempty"`                        // yarn
	AttnFactor  float64   `json:"attention_factor,omitempty"`                 // yarn: multiplies cos and sin; 0: 0.1·ln(Factor)+1
	Fractional  bool      `json:"fractional,omitempty"`                       // yarn: the range of pairs that are blended is not rounded to whole ones
	FreqFactors []float32 `json:"freq_factors,omitempty"`                     // divisors of the frequencies [D/2] as GGUF files hold them for llama3; nil: none
	Interleaved bool      `json:"interleaved"`                                // pairs are (2i, 2i+1), as GGUF files of architecture llama order q and k, and not (i, i+D/2)
}

func (r *RoPE) validate(headDim int) error {
	if !(r.Theta > 0) || math.IsInf(r.Theta, 0) {
		return fmt.Errorf("rope_theta is %v", r.Theta)
	}
	if r.FreqFactors != nil && len(r.FreqFactors) != headDim/2 {
		return fmt.Errorf("rope_freqs has %d values, want %d", len(r.FreqFactors), headDim/2)
	}
	if r.Scaling == "" {
		return nil
	}
	if !(r.Factor > 0) && slices.Contains([]string{"linear", "llama3", "yarn"}, r.Scaling) {
		return fmt.Errorf("rope scaling %s: factor is %v", r.Scaling, r.Factor)
	}
	switch r.Scaling {
	case "linear":
	case "llama3":
		if r.OriginalMax < 1 || !(r.HighFreq > r.LowFreq) || !(r.LowFreq > 0) {
			return fmt.Errorf("rope scaling llama3: original_max_position_embeddings %d, low_freq_factor %v, high_freq_factor %v", r.OriginalMax, r.LowFreq, r.HighFreq)
		}
	case "yarn":
		if r.OriginalMax < 1 || !(r.BetaFast > 0) || !(r.BetaSlow > 0) {
			return fmt.Errorf("rope scaling yarn: original_max_position_embeddings %d, beta_fast %v, beta_slow %v", r.OriginalMax, r.BetaFast, r.BetaSlow)
		}
	default:
		return fmt.Errorf("rope scaling \"%s\" is not supported; linear, llama3 and yarn are", printable.Cut(r.Scaling, 60))
	}
	return nil
}

// Frequencies returns the angle per position of each pair, [headDim/2], and the factor of cos and sin.
func (r *RoPE) Frequencies(headDim int) (invFreq []float32, scale float32) {
	invFreq, scale = make([]float32, headDim/2), 1
	for i := range invFreq {
		// The reference computes the power in float32.
		invFreq[i] = 1 / float32(math.Pow(r.Theta, float64(float32(2*i)/float32(headDim))))
	}
	switch r.Scaling {
	case "linear":
		for i := range invFreq {
			invFreq[i] /= float32(r.Factor)
		}
	case "llama3":
		r.llama3(invFreq)
	case "yarn":
		r.yarn(invFreq, headDim)
		scale = float32(r.AttnFactor)
		if scale == 0 {
			scale = float32(YarnScale(r.Factor, 1))
		}
	}
	for i, f := range r.FreqFactors {
		invFreq[i] /= f
	}
	return invFreq, scale
}

// llama3 leaves wavelengths that fit the original context often, divides those that do not fit by Factor, and blends in
// between (Llama 3.1's reference code).
func (r *RoPE) llama3(invFreq []float32) {
	for i, f := range invFreq {
		turns := float64(r.OriginalMax) * float64(f) / (2 * math.Pi)
		keep := min(max((turns-r.LowFreq)/(r.HighFreq-r.LowFreq), 0), 1)
		invFreq[i] = float32(float64(f) * (keep + (1-keep)/r.Factor))
	}
}

// YarnScale is the factor of cosines and sines for a context that is longer by factor.
func YarnScale(factor, mscale float64) float64 {
	if factor <= 1 {
		return 1
	}
	return 0.1*mscale*math.Log(factor) + 1
}

// yarn divides by Factor what turns less than BetaSlow times over the original context, leaves what turns more than
// BetaFast times, and blends linearly over the pairs in between (Peng et al. 2023, section 3.2).
func (r *RoPE) yarn(invFreq []float32, headDim int) {
	dim := float64(headDim)
	pair := func(turns float64) float64 {
		return dim * math.Log(float64(r.OriginalMax)/(turns*2*math.Pi)) / (2 * math.Log(r.Theta))
	}
	low, high := pair(r.BetaFast), pair(r.BetaSlow)
	if !r.Fractional {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, dim-1)
	if low == high {
		high += 0.001
	}
	for i, f := range invFreq {
		divide := min(max((float64(i)-low)/(high-low), 0), 1)
		invFreq[i] = float32(float64(f) * (1 - divide + divide/r.Factor))
	}
}
