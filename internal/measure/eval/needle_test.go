package eval

import (
	"context"
	"fmt"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHaystacks reads haystacks as a person would: what is asked for is there, once, at its depth; the prompt is as long as it may be.
func TestHaystacks(t *testing.T) {
	m := openModel(t)
	for _, h := range []Haystack{
		{Kind: SingleNeedle}, {Kind: MultiKey, Keys: 6}, {Kind: Variables, Hops: 3},
	} {
		h.Lengths, h.Depths, h.Samples, h.Seed = []int{400, 700}, []int{0, 50, 100}, 2, 3
		if err := h.Check(); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for item := range h.Items() {
			length, depth, _ := h.cell(item)
			ids, q, err := h.prompt(m, item)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(ids) + q.tokens; n > length || n < length-40 {
				t.Errorf("%s: %d tokens with the answer, want %d", h.Kind, n, length)
			}
			text := m.Detokenize(ids)
			hay, question, ok := strings.Cut(text, "Question: ")
			if !ok {
				t.Fatalf("no question: %q", text)
			}
			found := answerByHand(h.Kind, hay, question)
			if diff := cmp.Diff(q.targets, found); diff != "" {
				t.Errorf("%s: targets (-want +by hand):\n%s\n%s", h.Kind, diff, text)
			}
			at := 100 * strings.Index(hay, q.needles[0]) / len(hay)
			if strings.Count(hay, q.needles[0]) != 1 || at < depth-15 || at > depth+15 {
				t.Errorf("%s: at %d %%, want %d", h.Kind, at, depth)
			}
			for _, n := range q.needles {
				if !strings.Contains(hay, n) {
					t.Errorf("%s: %q is not there", h.Kind, n)
				}
			}
			seen[strings.Join(q.targets, " ")] = true
			again, _, _ := h.prompt(m, item)
			if !cmp.Equal(ids, again) {
				t.Error("the same item is another prompt")
			}
		}
		if len(seen) != 4 {
			t.Errorf("%s: %d things are hidden in 2 samples of 2 lengths", h.Kind, len(seen))
		}
	}
}

// TestLesson: the answer of a lesson is the one that its text has, among as many numbers and sentences as asked for.
func TestLesson(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for sentences := range 20 {
		numbers := 1 + sentences%6
		prompt, answer := Lesson(random, sentences, numbers)
		hay, question, _ := strings.Cut(prompt, "\n\nQuestion")
		if strings.Count(hay, ".")-2 != sentences+numbers || strings.Count(hay, "secret number") != numbers {
			t.Errorf("%d sentences, %d numbers: %q", sentences, numbers, hay)
		}
		found := answerByHand(SingleNeedle, hay, question)
		if len(found) != 1 || answer != " "+found[0]+"." || !strings.HasSuffix(question, " is") {
			t.Errorf("%q, %q: by hand %v", question, answer, found)
		}
		prompt, answer = Drill(random, numbers)
		at := strings.LastIndex(prompt, "The secret")
		if !strings.HasSuffix(prompt, " is") || strings.Count(prompt[:at], prompt[at:]+answer) != 1 || strings.Count(prompt, "secret number") != numbers+1 {
			t.Errorf("%q, %q", prompt, answer)
		}
	}
}

// answerByHand searches a haystack with regular expressions.
func answerByHand(kind, hay, question string) (found []string) {
	if kind == Variables {
		value := regexp.MustCompile(`value (\d+)`).FindStringSubmatch(question)[1]
		has := map[string]string{}
		for _, m := range regexp.MustCompile(`VAR (\w+) = (?:VAR )?(\w+)\.`).FindAllStringSubmatch(hay, -1) {
			if v, ok := has[m[2]]; ok {
				has[m[1]] = v // assigned in the order of the text
			} else {
				has[m[1]] = m[2]
			}
			if has[m[1]] == value {
				found = append(found, m[1])
			}
		}
		return found
	}
	name := regexp.MustCompile(`number of (\w+)\?`).FindStringSubmatch(question)[1]
	for _, m := range regexp.MustCompile(`number of `+name+` is (\d+)\.`).FindAllStringSubmatch(hay, -1) {
		found = append(found, m[1])
	}
	return found
}

// TestNeedle: records of a run, its summary and its heat map; a model of random weights finds nothing.
func TestNeedle(t *testing.T) {
	m := openModel(t)
	h := &Haystack{Kind: SingleNeedle, Lengths: []int{300, 200}, Depths: []int{0, 100}, Samples: 2, Seed: 1}
	j := openJournal(t, "", SummariseNeedles)
	if err := Needle(context.Background(), m, h, j, nil); err != nil {
		t.Fatal(err)
	}
	s := j.Result().Summary.(NeedleSummary)
	want := NeedleSummary{Cells: []NeedleCell{{200, 0, 0, 2}, {200, 100, 0, 2}, {300, 0, 0, 2}, {300, 100, 0, 2}}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s = SummariseNeedles([]NeedleRecord{{Length: 8, Depth: 50, Found: 1}, {Length: 8, Depth: 50}, {Length: 4, Depth: 50, Found: 1}}).(NeedleSummary)
	if s.Found != 2./3 || s.Cells[0] != (NeedleCell{4, 50, 1, 1}) || s.Cells[1] != (NeedleCell{8, 50, 0.5, 2}) {
		t.Errorf("%+v", s)
	}
	path := filepath.Join(t.TempDir(), "x.png")
	if err := DrawNeedles(path, "title", s); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	for i, found := range []float64{1, 0.5} {
		if got := picture.At(mapLeft+i*cellWidth+4, mapTop+cellHeight/2); got != heat(found) {
			t.Errorf("cell %d is %v, want %v", i, got, heat(found))
		}
	}
	short := &Haystack{Kind: SingleNeedle, Lengths: []int{300, 20}, Depths: []int{0}, Samples: 1}
	if err := Needle(context.Background(), m, short, openJournal(t, "", SummariseNeedles), nil); err == nil || !strings.Contains(err.Error(), "has no room") {
		t.Errorf("error %v", err)
	}
}

// TestNoHaystacks asserts what Check refuses.
func TestNoHaystacks(t *testing.T) {
	good := Haystack{Kind: SingleNeedle, Lengths: []int{100}, Depths: []int{0}, Samples: 1}
	for want, change := range map[string]func(*Haystack){
		"":                          func(*Haystack) {},
		"kind":                      func(h *Haystack) { h.Kind = "x" },
		"want a length":             func(h *Haystack) { h.Lengths = nil },
		"samples":                   func(h *Haystack) { h.Samples = 0 },
		"0 keys":                    func(h *Haystack) { h.Kind = MultiKey },
		"0 hops":                    func(h *Haystack) { h.Kind = Variables },
		"the length 0":              func(h *Haystack) { h.Lengths = []int{0} },
		"the depth 101":             func(h *Haystack) { h.Depths = []int{101} },
		fmt.Sprint(MaxKeys+1, " k"): func(h *Haystack) { h.Kind, h.Keys = MultiKey, MaxKeys+1 },
	} {
		h := good
		change(&h)
		if err := h.Check(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
