package sample

import (
	"cmp"
	"math"
	"slices"
)

// Logprob is a token with the logarithm of its probability under the model, before penalties and temperature.
type Logprob struct {
	ID      int32
	Logprob float64
}

// Logprobs returns the log-probability of the token id and those of the n most likely tokens, the likeliest first and
// padded ones left out, whose probability counts all the same.
func Logprobs(logits []float32, id int32, n int, padded []int32) (chosen Logprob, top []Logprob) {
	norm := LogSumExp(logits)
	for i, v := range logits {
		if n > 0 && (len(top) < n || float64(v)-norm > top[len(top)-1].Logprob) && !contains(padded, int32(i)) {
			l := Logprob{int32(i), float64(v) - norm}
			at, _ := slices.BinarySearchFunc(top, l, func(a, b Logprob) int { return cmp.Or(cmp.Compare(b.Logprob, a.Logprob), cmp.Compare(a.ID, b.ID)) })
			top = slices.Insert(top[:min(len(top), n-1)], at, l)
		}
	}
	return Logprob{id, float64(logits[id]) - norm}, top
}

// contains reports whether id is in ids, which ascend.
func contains(ids []int32, id int32) bool {
	_, ok := slices.BinarySearch(ids, id)
	return ok
}

// LogSumExp returns the logarithm of the sum of the logits' exponentials.
func LogSumExp(logits []float32) float64 {
	top := float64(logits[argmax(logits)])
	var total float64
	for _, v := range logits {
		total += math.Exp(float64(v) - top)
	}
	return top + math.Log(total)
}
