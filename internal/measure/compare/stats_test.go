package compare

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// slowRow says the same as NewRow by way of the probabilities themselves.
func slowRow(p, q []float32, next int) (r Row) {
	softmax := func(x []float32) []float64 {
		out, sum := make([]float64, len(x)), 0.0
		for _, v := range x {
			sum += math.Exp(float64(v))
		}
		for i, v := range x {
			out[i] = math.Exp(float64(v)) / sum
		}
		return out
	}
	a, b := softmax(p), softmax(q)
	for i := range a {
		r.KL += a[i] * math.Log(a[i]/b[i])
		d := math.Abs(float64(p[i]) - float64(q[i]))
		r.MeanDiff += d / float64(len(p))
		r.MaxDiff = max(r.MaxDiff, d)
	}
	r.SameTop = slices.Index(p, slices.Max(p)) == slices.Index(q, slices.Max(q))
	if next >= 0 {
		r.LogProb, r.OtherLogProb = math.Log(a[next]), math.Log(b[next])
	}
	return r
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-12*(1+math.Abs(b)) }

func nearRow(a, b Row) bool {
	return near(a.KL, b.KL) && a.SameTop == b.SameTop && near(a.MeanDiff, b.MeanDiff) && near(a.MaxDiff, b.MaxDiff) &&
		near(a.LogProb, b.LogProb) && near(a.OtherLogProb, b.OtherLogProb)
}

func TestRow(t *testing.T) {
	ln3 := float32(math.Log(3))
	for name, test := range map[string]struct {
		p, q []float32
		next int
		want Row
	}{
		"the same":             {[]float32{1, 2, 3}, []float32{1, 2, 3}, -1, Row{SameTop: true}},
		"1:3 and 1:1, a tie":   {[]float32{0, ln3}, []float32{7, 7}, 0, Row{math.Log(0.5)/4 + math.Log(1.5)*3/4, false, 7 - float64(ln3)/2, 7, math.Log(0.25), math.Log(0.5)}},
		"1:1 and 1:3":          {[]float32{0, 0}, []float32{0, ln3}, 1, Row{math.Log(2)/2 + math.Log(2./3)/2, false, float64(ln3) / 2, float64(ln3), math.Log(0.5), math.Log(0.75)}},
		"moved by a constant":  {[]float32{1, 2, 3}, []float32{11, 12, 13}, -1, Row{0, true, 10, 10, 0, 0}},
		"huge":                 {[]float32{1e5, 0}, []float32{-1e5, -2e5}, 0, Row{0, true, 2e5, 2e5, 0, 0}},
		"certain of the other": {[]float32{1000, 0}, []float32{0, 1000}, 0, Row{1000, false, 1000, 1000, 0, -1000}},
	} {
		if got := NewRow(test.p, test.q, test.next); math.Abs(got.KL-test.want.KL) > 1e-7 || !near(got.MaxDiff, test.want.MaxDiff) ||
			got.SameTop != test.want.SameTop || !near(got.MeanDiff, test.want.MeanDiff) ||
			math.Abs(got.LogProb-test.want.LogProb) > 1e-7 || math.Abs(got.OtherLogProb-test.want.OtherLogProb) > 1e-7 {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		logit := rapid.Float32Range(-30, 30)
		p, q := rapid.SliceOfN(logit, n, n).Draw(t, "p"), rapid.SliceOfN(logit, n, n).Draw(t, "q")
		next := rapid.IntRange(-1, n-1).Draw(t, "next")
		if got, want := NewRow(p, q, next), slowRow(p, q, next); !nearRow(got, want) || got.KL < 0 {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

func TestSummarise(t *testing.T) {
	var rows []Row
	for _, kl := range []float64{3, 1, 4, 2} {
		for i := range 25 {
			rows = append(rows, Row{KL: kl + float64(i)/100, SameTop: kl != 3 || i < 5, MeanDiff: kl, MaxDiff: 2 * kl, LogProb: -1, OtherLogProb: -2})
		}
	}
	got := Summarise(rows, 50)
	// Of 100 values, the 50th is 2.24, the 99th 4.23. Their variance is that of 1…4, 1.25, and of 0…0.24, 0.0052.
	want := Summary{
		Positions: 100, Predicted: 50, MeanDiff: 2.5, MaxDiff: 8, Perplexity: math.Exp(2), WithPerplexity: math.Exp(4),
		KL:      KL{Mean: 2.62, StandardError: math.Sqrt(1.2552 / 99), Median: 2.24, P99: 4.23, Max: 4.24},
		SameTop: got.SameTop,
	}
	for _, pair := range [][2]float64{
		{got.MeanDiff, want.MeanDiff},
		{got.MaxDiff, want.MaxDiff},
		{got.Perplexity, want.Perplexity},
		{got.WithPerplexity, want.WithPerplexity},
		{got.KL.Mean, want.KL.Mean},
		{got.KL.StandardError, want.KL.StandardError},
		{got.KL.Median, want.KL.Median},
		{got.KL.P99, want.KL.P99},
		{got.KL.Max, want.KL.Max},
		{float64(got.Positions), 100},
		{float64(got.Predicted), 50},
	} {
		if !near(pair[0], pair[1]) {
			t.Errorf("%+v, want %+v", got, want)
			break
		}
	}
	// Wilson's intervals, from the literature's tables.
	for _, test := range []struct{ got, want Share }{
		{got.SameTop, Share{0.8, 0.7112, 0.8666}},
		{Wilson(8, 10), Share{0.8, 0.4902, 0.9433}},
		{Wilson(10, 10), Share{1, 0.7225, 1}},
		{Wilson(0, 10), Share{0, 0, 0.2775}},
	} {
		if math.Abs(test.got.Share-test.want.Share) > 1e-12 || math.Abs(test.got.Low-test.want.Low) > 5e-5 || math.Abs(test.got.High-test.want.High) > 5e-5 {
			t.Errorf("%+v, want %+v", test.got, test.want)
		}
	}
	if three := Summarise([]Row{{KL: 3}, {KL: 1}, {KL: 2}}, 0); three.KL.Median != 2 || three.KL.P99 != 3 {
		t.Errorf("three positions: %+v", three)
	}
	if one := Summarise([]Row{{KL: 1}}, 0); one.KL != (KL{1, 0, 1, 1, 1}) || one.Perplexity != 0 {
		t.Errorf("one position: %+v", one)
	}
}
