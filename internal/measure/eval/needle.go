package eval

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"jamba"
	"jamba/internal/measure/compare"
)

// Haystack says what is hidden where. The kinds are those of RULER (Hsieh et al. 2024), over sentences that say nothing.
type Haystack struct {
	Kind    string `json:"kind"`
	Lengths []int  `json:"lengths"` // of the prompts with their answers, in tokens
	Depths  []int  `json:"depths"`  // of what is asked for, in percent of the haystack
	Samples int    `json:"samples"` // of each length and depth
	Keys    int    `json:"keys,omitempty"`
	Hops    int    `json:"hops,omitempty"`
	Seed    uint64 `json:"seed"`
	BOS     bool   `json:"bos"`
}

// The choices of Haystack.Kind.
const (
	SingleNeedle = "single"    // one number
	MultiKey     = "multi-key" // one of Keys numbers, by its name
	Variables    = "variables" // the names of Hops+1 variables of one value, each assigned from the one before; the first is at the depth
)

// NeedleRecord is what a model found.
type NeedleRecord struct {
	Length  int      `json:"length"`
	Depth   int      `json:"depth"`
	Tokens  int      `json:"tokens"` // of the prompt
	Targets []string `json:"targets"`
	Text    string   `json:"text"`
	Found   float64  `json:"found"` // the share of the targets that the text has
}

// Items returns how many haystacks there are.
func (h *Haystack) Items() int { return len(h.Lengths) * len(h.Depths) * h.Samples }

// cell returns what an item is of. Those that differ in depth alone follow one another: they begin alike.
func (h *Haystack) cell(item int) (length, depth, sample int) {
	depths := len(h.Depths)
	return h.Lengths[item/(depths*h.Samples)], h.Depths[item%depths], item / depths % h.Samples
}

// filler are sentences that say nothing.
var filler = []string{
	"The river is wide and slow.", "A grey stone lies by the road.", "Rain falls on the roof.", "The old clock has stopped.", "Two birds sit on the wire.",
	"Nobody opens the green door.", "The bread is still warm.", "Leaves move in the wind.", "A boat waits at the pier.", "The lamp is out.", "Snow covers the hill.",
}

// names are what numbers go by.
var names = strings.Fields("apple anchor basket bridge candle castle copper desert dragon engine falcon feather garden ginger hammer harbor island jacket kettle ladder lemon magnet marble meadow mirror needle orange pepper piano pillow ribbon rocket saddle silver tunnel velvet violin walnut window winter")

// MaxKeys is how many numbers can be hidden.
var MaxKeys = len(names)

// hidden is what is hidden, with the question for it.
type hidden struct {
	question string
	needles  []string // the one at the depth first
	targets  []string
	tokens   int // of the answer
}

func (h *Haystack) hide(random *rand.Rand) hidden {
	if h.Kind == Variables {
		value := sevenDigits(random)
		q := hidden{question: "Question: Which variables have the value " + value + "? Answer: The variables with the value " + value + " are", tokens: 10 * (h.Hops + 1)}
		for i := range h.Hops + 1 {
			name := ""
			for name == "" || slices.Contains(q.targets, name) {
				name = string([]byte{'A' + byte(random.IntN(26)), 'A' + byte(random.IntN(26)), 'A' + byte(random.IntN(26))})
			}
			from := value
			if i > 0 {
				from = "VAR " + q.targets[i-1]
			}
			q.needles = append(q.needles, "VAR "+name+" = "+from+".")
			q.targets = append(q.targets, name)
		}
		return q
	}
	all := secrets(random, max(1, h.Keys))
	q := hidden{question: all[0].question(), targets: []string{all[0].number}, tokens: 20}
	for _, s := range all {
		q.needles = append(q.needles, s.needle())
	}
	return q
}

// secret is a number that goes by a name.
type secret struct{ name, number string }

// secrets returns n of them with different names.
func secrets(random *rand.Rand, n int) (all []secret) {
	for _, i := range random.Perm(len(names))[:n] {
		all = append(all, secret{names[i], sevenDigits(random)})
	}
	return all
}

func sevenDigits(random *rand.Rand) string { return fmt.Sprint(1_000_000 + random.IntN(9_000_000)) }

func (s secret) needle() string { return "The secret number of " + s.name + " is " + s.number + "." }

// answer is how the needle ends.
func (s secret) answer() string { return " " + s.number + "." }

// question ends where the answer begins.
func (s secret) question() string {
	return "Question: What is the secret number of " + s.name + "? Answer: The secret number of " + s.name + " is"
}

// Lesson returns what a small model can learn to find numbers from: a haystack of so many sentences and numbers at random places,
// with the question for one of them, and the answer that follows it.
func Lesson(random *rand.Rand, sentences, numbers int) (prompt, answer string) {
	h := Haystack{Kind: MultiKey, Keys: numbers}
	q := h.hide(random)
	var places []float64
	for range numbers - 1 {
		places = append(places, random.Float64())
	}
	return h.text(&q, sentences, random.IntN(101), random.IntN(len(filler)), places), secret{number: q.targets[0]}.answer()
}

// Drill returns the least from which it can learn the same: so many numbers and no more, then one of them again.
func Drill(random *rand.Rand, numbers int) (prompt, answer string) {
	all := secrets(random, numbers)
	for _, s := range all {
		prompt += s.needle() + " "
	}
	again := all[random.IntN(numbers)]
	return prompt + strings.TrimSuffix(again.needle(), again.answer()), again.answer()
}

// text returns a haystack of n sentences, from a place in the filler on, and the question. The needles after the first stand behind it in order
// for Variables, else anywhere.
func (h *Haystack) text(q *hidden, n, depth, from int, places []float64) string {
	at := make([]int, len(q.needles))
	at[0] = n * depth / 100
	for i := range places {
		low := 0.0
		if h.Kind == Variables {
			low = float64(at[0])
		}
		at[i+1] = int(low + places[i]*(float64(n)-low))
	}
	var b strings.Builder
	b.WriteString("Some facts are hidden in the following text. Remember them.\n\n")
	for i := range n + 1 {
		for k := range at {
			if at[k] == i {
				b.WriteString(q.needles[k] + " ")
			}
		}
		if i < n {
			b.WriteString(filler[(from+i)%len(filler)] + " ")
		}
	}
	return b.String() + "\n\n" + q.question
}

// prompt makes the haystack of an item, as long as its length allows.
func (h *Haystack) prompt(m *jamba.Model, item int) (ids []int32, q hidden, err error) {
	length, depth, sample := h.cell(item)
	// What is hidden is the same at all depths, so that prompts begin alike.
	random := rand.New(rand.NewPCG(h.Seed, uint64(length)<<20|uint64(sample)))
	q = h.hide(random)
	from := random.IntN(len(filler))
	places := make([]float64, len(q.needles)-1)
	for i := range places {
		places[i] = random.Float64()
	}
	if h.Kind == Variables {
		slices.Sort(places)
	}
	encoded := func(n int) ([]int32, error) { return encode(m.Text(), h.BOS, h.text(&q, n, depth, from, places)) }
	low, high := 0, length // sentences: each has a token or more
	for low < high {
		n := (low + high + 1) / 2
		ids, err := encoded(n)
		if err != nil {
			return nil, q, err
		}
		if len(ids)+q.tokens > length {
			high = n - 1
		} else {
			low = n
		}
	}
	if ids, err = encoded(low); err == nil && len(ids)+q.tokens > length {
		err = fmt.Errorf("a length of %d tokens has no room for the question and its answer, which take %d", length, len(ids)+q.tokens)
	}
	return ids, q, err
}

// Needle searches the haystacks that the journal lacks.
func Needle(ctx context.Context, m *jamba.Model, h *Haystack, j *Journal[NeedleRecord], progress func(done, total int)) error {
	for i := range h.Lengths { // before any is computed
		if _, _, err := h.prompt(m, i*len(h.Depths)*h.Samples); err != nil {
			return err
		}
	}
	return j.Each(ctx, h.Items(), 4, func(ctx context.Context, item int) (NeedleRecord, error) {
		ids, q, err := h.prompt(m, item)
		r := NeedleRecord{Tokens: len(ids), Targets: q.targets}
		r.Length, r.Depth, _ = h.cell(item)
		if err == nil {
			r.Text, _, err = answer(ctx, m, ids, q.tokens, []string{"\n"})
		}
		found := 0
		for _, t := range q.targets {
			if strings.Contains(r.Text, t) {
				found++
			}
		}
		r.Found = float64(found) / float64(len(q.targets))
		return r, err
	}, progress)
}

// NeedleCell is what was found at a length and a depth.
type NeedleCell struct {
	Length int     `json:"length"`
	Depth  int     `json:"depth"`
	Found  float64 `json:"found"` // mean over the samples
	N      int     `json:"samples"`
}

// NeedleSummary is what was found in all.
type NeedleSummary struct {
	Found         float64      `json:"found"`
	StandardError float64      `json:"standard_error"`
	Cells         []NeedleCell `json:"cells"` // by length and depth
}

// SummariseNeedles sums up the records of haystacks.
func SummariseNeedles(records []NeedleRecord) any {
	var all compare.Moments
	cells := map[[2]int]compare.Moments{}
	for _, r := range records {
		all.Add(r.Found)
		c := cells[[2]int{r.Length, r.Depth}]
		c.Add(r.Found)
		cells[[2]int{r.Length, r.Depth}] = c
	}
	s := NeedleSummary{Found: all.Mean(), StandardError: all.StandardError()}
	for at, c := range cells {
		s.Cells = append(s.Cells, NeedleCell{at[0], at[1], c.Mean(), c.N})
	}
	slices.SortFunc(s.Cells, func(a, b NeedleCell) int {
		if a.Length != b.Length {
			return a.Length - b.Length
		}
		return a.Depth - b.Depth
	})
	return s
}

// Check returns an error if the haystacks are none.
func (h *Haystack) Check() error {
	switch {
	case h.Kind != SingleNeedle && h.Kind != MultiKey && h.Kind != Variables:
		return fmt.Errorf("the kind %.20q is not known; %s, %s and %s are", h.Kind, SingleNeedle, MultiKey, Variables)
	case len(h.Lengths) == 0 || len(h.Depths) == 0 || h.Samples < 1 || h.Samples > 1000:
		return errors.New("want a length, a depth and 1 to 1000 samples")
	case h.Kind == MultiKey && (h.Keys < 2 || h.Keys > MaxKeys):
		return fmt.Errorf("there are %d keys, want 2 to %d", h.Keys, MaxKeys)
	case h.Kind == Variables && (h.Hops < 1 || h.Hops > 20):
		return fmt.Errorf("there are %d hops, want 1 to 20", h.Hops)
	}
	for _, n := range h.Lengths {
		if n < 1 || n > 1<<24 {
			return fmt.Errorf("the length %d is no number of tokens", n)
		}
	}
	for _, d := range h.Depths {
		if d < 0 || d > 100 {
			return fmt.Errorf("the depth %d is not between 0 and 100 percent", d)
		}
	}
	return nil
}
