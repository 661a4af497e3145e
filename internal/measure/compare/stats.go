package compare

import (
	"cmp"
	"math"
	"slices"
)

// Moments are what is kept of numbers to tell their mean and its standard error. Those of parts add up to those of the whole.
type Moments struct {
	N       int     `json:"n"`
	Sum     float64 `json:"sum"`
	Squares float64 `json:"squares"`
}

// Add adds a number.
func (m *Moments) Add(x float64) { m.Merge(Moments{1, x, x * x}) }

// Merge adds the numbers of another part.
func (m *Moments) Merge(o Moments) {
	m.N += o.N
	m.Sum += o.Sum
	m.Squares += o.Squares
}

// Mean returns the mean, 0 of no numbers.
func (m Moments) Mean() float64 { return m.Sum / max(1, float64(m.N)) }

// StandardError returns the standard error of the mean, as if the numbers were independent.
func (m Moments) StandardError() float64 {
	if m.N < 2 {
		return 0
	}
	n := float64(m.N)
	return math.Sqrt(max(0, m.Squares-m.Sum*m.Sum/n) / (n - 1) / n) // below 0 only by rounding
}

// Row is how the logits of one position differ between two ways of computing.
type Row struct {
	KL                float64 // Kullback-Leibler divergence KL(reference‖other) of the next token's distribution, in nats
	SameTop           bool    // the most likely token is the same
	MeanDiff, MaxDiff float64 // of the logits' absolute differences
	LogProb           float64 // log-probability that the reference gives to the token that follows, 0 if there is none
	OtherLogProb      float64 // and that the other gives to it
}

// NewRow compares the logits of one position, reference p and other q, both [V] and finite, in float64. next is the
// token that follows, -1 if there is none. Of equally likely tokens the first counts as the most likely one.
func NewRow(p, q []float32, next int) Row {
	top, otherTop := argmax(p), argmax(q)
	most, otherMost := float64(p[top]), float64(q[otherTop])
	var r Row
	var sum, otherSum, weighted, diffs float64
	for i := range p {
		a, b := float64(p[i]), float64(q[i])
		e := math.Exp(a - most)
		sum += e
		otherSum += math.Exp(b - otherMost)
		weighted += e * (a - b)
		diffs += math.Abs(a - b)
		r.MaxDiff = max(r.MaxDiff, math.Abs(a-b))
	}
	// log p_i = a_i - total, log q_i = b_i - otherTotal, and KL = Σ p_i·(log p_i - log q_i).
	total, otherTotal := most+math.Log(sum), otherMost+math.Log(otherSum)
	r.KL = max(0, weighted/sum-(total-otherTotal)) // below 0 only by rounding
	r.SameTop = top == otherTop
	r.MeanDiff = diffs / float64(len(p))
	if next >= 0 {
		r.LogProb, r.OtherLogProb = float64(p[next])-total, float64(q[next])-otherTotal
	}
	return r
}

func argmax(x []float32) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

// Summary is how far two ways of computing deviate over all positions of a text.
type Summary struct {
	Positions      int     `json:"positions"`
	KL             KL      `json:"kl"`
	SameTop        Share   `json:"same_top"`
	MeanDiff       float64 `json:"mean_logit_difference"`
	MaxDiff        float64 `json:"max_logit_difference"`
	Predicted      int     `json:"predicted"` // positions with a token that follows
	Perplexity     float64 `json:"perplexity,omitempty"`
	WithPerplexity float64 `json:"with_perplexity,omitempty"`
}

// KL is the distribution of divergences, in nats.
type KL struct {
	Mean          float64 `json:"mean"`
	StandardError float64 `json:"standard_error"` // of the mean, as if positions were independent
	Median        float64 `json:"median"`
	P99           float64 `json:"p99"` // 99 % of the positions are not above
	Max           float64 `json:"max"`
}

// Share is a share of positions with its 95 % confidence interval (Wilson 1927).
type Share struct {
	Share float64 `json:"share"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Summarise sums up rows, which it sorts. predicted of them have a token that follows.
func Summarise(rows []Row, predicted int) Summary {
	n := float64(len(rows))
	s := Summary{Positions: len(rows), Predicted: predicted}
	if len(rows) == 0 {
		return s
	}
	same := 0
	var logProb, otherLogProb float64
	var kl Moments
	for _, r := range rows {
		kl.Add(r.KL)
		s.MeanDiff += r.MeanDiff / n
		s.MaxDiff = max(s.MaxDiff, r.MaxDiff)
		if r.SameTop {
			same++
		}
		logProb += r.LogProb
		otherLogProb += r.OtherLogProb
	}
	s.KL.Mean, s.KL.StandardError = kl.Mean(), kl.StandardError()
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.KL, b.KL) })
	quantile := func(q float64) float64 { return rows[max(0, int(math.Ceil(q*n))-1)].KL }
	s.KL.Median, s.KL.P99, s.KL.Max = quantile(0.5), quantile(0.99), quantile(1)
	s.SameTop = Wilson(same, len(rows))
	if predicted > 0 {
		s.Perplexity = math.Exp(-logProb / float64(predicted))
		s.WithPerplexity = math.Exp(-otherLogProb / float64(predicted))
	}
	return s
}

// Wilson returns the share of k in n with Wilson's 95 % score interval.
func Wilson(k, of int) Share {
	const z = 1.959964
	n := float64(of)
	p := float64(k) / n
	center := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return Share{p, max(0, center-half), min(1, center+half)}
}
