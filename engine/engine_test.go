package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"jamba/checkpoint"
	"jamba/engine/sample"
	"jamba/internal/testutil"
	"jamba/model"
)

// TestStopper compares with the definition: the text up to the first stop string, whatever the pieces.
func TestStopper(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[ab]{0,6}`)
		stops := rapid.SliceOfN(rapid.StringMatching(`[ab]{1,4}`), 0, 3).Draw(t, "stops")
		pieces := rapid.SliceOf(word).Draw(t, "pieces")
		text := strings.Join(pieces, "")

		s := &stopper{stops: stops}
		got, fed, found := "", "", false
		for _, p := range pieces {
			var safe string
			safe, found = s.push(p)
			got += safe
			fed += p
			if found {
				break
			}
			// No more is held back than may begin a stop string.
			held := fed[len(got):]
			if held != "" && !slices.ContainsFunc(stops, func(stop string) bool { return strings.HasPrefix(stop, held) }) {
				t.Fatalf("%q is held back, stops are %q", held, stops)
			}
		}
		if !found {
			got += s.flush()
		}
		// The pieces so far decide: the earliest end of a stop string, then its earliest beginning.
		want, stopped := text, false
		for end := range len(text) + 1 {
			for begin := range end {
				if !stopped && slices.Contains(stops, text[begin:end]) {
					want, stopped = text[:begin], true
				}
			}
		}
		if found != stopped {
			t.Fatalf("found %v, want %v", found, stopped)
		}
		if len(got) > len(want) || got != text[:len(got)] || !stopped && got != want {
			t.Fatalf("text %q, want %q", got, want)
		}
	})
}

// spell writes ids as words.
type spell struct{}

func (spell) Push(id int32) string { return fmt.Sprintf(" %d", id) }
func (spell) Flush() string        { return "." }

func open(t *testing.T) (*model.Model, []int32, []int32) {
	t.Helper()
	dir := testutil.Golden("models", "jamba-v01-mini")
	m, err := checkpoint.OpenModel(dir, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	ids, _ := testutil.OpenTensors(t, dir+"/golden.safetensors").Ints("input_ids")
	info := testutil.JSON[struct{ Forward struct{ Greedy []int32 } }](t, dir+"/golden.json")
	return m, ids, info.Forward.Greedy
}

// collect runs a request to its end.
func collect(t *testing.T, s *Engine, r Request) (ids []int32, text string, last Piece, err error) {
	t.Helper()
	r.Text = spell{}
	for p, e := range s.Generate(context.Background(), r) {
		if e != nil {
			return ids, text, last, e
		}
		text += p.Text
		if last = p; p.Finish == "" {
			ids = append(ids, p.ID)
		}
	}
	return ids, text, last, nil
}

func TestGenerate(t *testing.T) {
	m, prompt, greedy := open(t)
	for _, test := range []struct {
		name   string
		r      Request
		ids    []int32
		text   string
		finish Finish
	}{
		{"max tokens", Request{MaxTokens: 5}, greedy[:5], " 116 82 174 95 47.", FinishLength},
		{"stop token", Request{MaxTokens: 9, StopTokens: []int32{95, 82}}, greedy[:1], " 116.", FinishStop},
		{"stop string", Request{MaxTokens: 9, Stop: []string{"x", " 95"}}, greedy[:4], " 116 82 174", FinishStop},
		{"stop over tokens", Request{MaxTokens: 9, Stop: []string{"2 17"}}, greedy[:3], " 116 8", FinishStop},
		{"stop at the end", Request{MaxTokens: 2, Stop: []string{"2."}}, greedy[:2], " 116 8", FinishStop},
		{"no stop after all", Request{MaxTokens: 2, Stop: []string{"2.x"}}, greedy[:2], " 116 82.", FinishLength},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.r.Prompt = prompt
			ids, text, last, err := collect(t, ForModel(m, Options{}), test.r)
			if err != nil || !slices.Equal(ids, test.ids) || text != test.text || last.Finish != test.finish {
				t.Errorf("ids %v, text %q, finish %q, error %v; want %v, %q, %q", ids, text, last.Finish, err, test.ids, test.text, test.finish)
			}
			if stop := strings.Join(test.r.Stop, " "); (last.Stop != "") != (last.Finish == FinishStop && stop != "") || !strings.Contains(stop, last.Stop) {
				t.Errorf("ended by %q of %q", last.Stop, test.r.Stop)
			}
			if last.Stats == nil || last.Stats.PromptTokens != len(prompt) {
				t.Errorf("stats %+v", last.Stats)
			}
		})
	}
}

func TestGenerateReusesTheBeginning(t *testing.T) {
	m, prompt, greedy := open(t)
	s := ForModel(m, Options{})
	if _, _, _, err := collect(t, s, Request{Prompt: prompt, MaxTokens: 10}); err != nil {
		t.Fatal(err)
	}
	longer := slices.Concat(prompt, greedy[:10], []int32{7, 8, 9})
	ids, _, last, err := collect(t, s, Request{Prompt: longer, MaxTokens: 20})
	if err != nil || last.Stats.ReusedTokens != len(prompt)+9 {
		t.Fatalf("reused %d, error %v", last.Stats.ReusedTokens, err)
	}
	want, _, _, _ := collect(t, ForModel(m, Options{}), Request{Prompt: longer, MaxTokens: 20})
	if !slices.Equal(ids, want) {
		t.Errorf("going on gives %v, from scratch %v", ids, want)
	}
	// The same prompt goes on from its last token but one.
	for range 2 {
		ids, _, last, err = collect(t, s, Request{Prompt: prompt, MaxTokens: 10})
		if err != nil || last.Stats.ReusedTokens != len(prompt)-1 || !slices.Equal(ids, greedy[:10]) {
			t.Errorf("ids %v, reused %d, error %v", ids, last.Stats.ReusedTokens, err)
		}
	}
}

func TestGenerateStopsWithContext(t *testing.T) {
	m, prompt, greedy := open(t)
	s := ForModel(m, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var ids []int32
	var err error
	for p, e := range s.Generate(ctx, Request{Prompt: prompt, MaxTokens: 30, Text: spell{}}) {
		if err = e; e == nil {
			ids = append(ids, p.ID)
		} else if p.Finish != FinishInterrupted || p.Stats == nil || p.Stats.AnswerTokens != 3 || p.Stats.PromptTokens != len(prompt) || p.Text != "." {
			t.Errorf("the end of an interrupted answer is %+v", p)
		}
		if len(ids) == 3 {
			cancel()
		}
	}
	if !errors.Is(err, context.Canceled) || len(ids) != 3 {
		t.Fatalf("ids %v, error %v", ids, err)
	}
	// The session goes on.
	ids, _, last, err := collect(t, s, Request{Prompt: slices.Concat(prompt, greedy[:3]), MaxTokens: 5})
	if err != nil || !slices.Equal(ids, greedy[3:8]) || last.Stats.ReusedTokens == 0 {
		t.Errorf("ids %v, stats %+v, error %v", ids, last.Stats, err)
	}
	// A reader that walks away is no error either.
	for _, err := range s.Generate(context.Background(), Request{Prompt: prompt, MaxTokens: 30, Text: spell{}}) {
		if err != nil {
			t.Error(err)
		}
		break
	}
}

// TestPromptStopsWithinAPass cancels while a prompt is computed. That a pass stops at once is tested where it is computed.
func TestPromptStopsWithinAPass(t *testing.T) {
	m, prompt, greedy := open(t)
	s := ForModel(m, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	r := Request{Prompt: slices.Repeat(prompt, 20), MaxTokens: 3, Text: spell{}, Progress: func(int, int) { cancel() }}
	for p, err := range s.Generate(ctx, r) {
		if err != nil && (!errors.Is(err, context.Canceled) || p.Finish != FinishInterrupted) {
			t.Errorf("piece %+v, error %v", p, err)
		}
	}
	if ids, _, _, err := collect(t, s, Request{Prompt: prompt, MaxTokens: 4}); err != nil || !slices.Equal(ids, greedy[:4]) {
		t.Errorf("after that: ids %v, error %v", ids, err)
	}
}

func TestGenerateErrors(t *testing.T) {
	m, prompt, greedy := open(t)
	s := ForModel(m, Options{})
	for want, r := range map[string]Request{
		"the prompt is empty":                                  {},
		"the prompt has 600 tokens, the model's context 512":   {Prompt: make([]int32, 600)},
		"token id 999 at position 1 is outside the vocabulary": {Prompt: []int32{1, 999}},
	} {
		if _, _, _, err := collect(t, s, r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if ids, _, _, err := collect(t, s, Request{Prompt: prompt, MaxTokens: 4}); err != nil || !slices.Equal(ids, greedy[:4]) {
		t.Errorf("after errors: ids %v, error %v", ids, err)
	}
}

func TestContextLimit(t *testing.T) {
	m, prompt, _ := open(t)
	long := slices.Repeat(prompt, 22)[:508]
	ids, _, last, err := collect(t, ForModel(m, Options{}), Request{Prompt: long})
	if err != nil || len(ids) != 4 || last.Finish != FinishLength {
		t.Errorf("%d tokens in a context of 512 after 508, finish %q, error %v", len(ids), last.Finish, err)
	}
}

func TestGenerateLogprobs(t *testing.T) {
	m, prompt, _ := open(t)
	var done []int
	r := Request{Prompt: slices.Repeat(prompt, 6), MaxTokens: 3, Logprobs: true, TopTokens: 2, Sample: sample.Params{Temperature: 1, Seed: new(uint64(3))}, Text: spell{}}
	r.Progress = func(n, total int) {
		if total != len(r.Prompt) {
			t.Errorf("%d tokens to do, want %d", total, len(r.Prompt))
		}
		done = append(done, n)
	}
	for p, err := range ForModel(m, Options{}).Generate(context.Background(), r) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Finish == "" && (p.Logprob.ID != p.ID || p.Logprob.Logprob > 0 || len(p.Top) != 2 || p.Top[0].Logprob < p.Logprob.Logprob) {
			t.Errorf("token %d: %+v of %+v", p.ID, p.Logprob, p.Top)
		}
	}
	// One pass, told of after each of eight layers.
	if want := []int{18, 36, 54, 72, 90, 108, 126, 144}; !slices.Equal(done, want) {
		t.Errorf("progress %v, want %v", done, want)
	}
}
