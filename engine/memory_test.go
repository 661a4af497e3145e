package engine

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"

	"jamba/kernel"
	"jamba/model"
)

// grow makes m tell of keys and values that no machine has memory for. The network goes on computing with those that it
// has.
func grow(m *model.Model) {
	for i, l := range m.Config.Layers {
		if l.Attention != nil {
			huge := *l.Attention
			huge.NumKeyValueHeads, huge.HeadDim = 1<<18, 1<<18 // 128 TiB a page
			m.Config.Layers[i].Attention = &huge
		}
	}
}

// TestMemory asserts that a session refuses, before it computes, what its memory cannot hold, and goes on afterwards.
func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the free memory is not known here, so everything fits")
	}
	m, prompt, greedy := open(t)
	layers := slices.Clone(m.Config.Layers)
	page := slices.Repeat(prompt, kernel.PageLen)[:kernel.PageLen]
	longer := append(slices.Clone(page), 1, 2, 3)
	twice := append(slices.Repeat(prompt, chunk)[:chunk], 1, 2, 3) // two passes
	always := func(int, int) bool { return true }
	for _, test := range []struct {
		name string
		r    Request
		grow func(done, answered int) bool // when memory becomes too small, after so many tokens of the prompt and of the answer
		want string
		ids  int // tokens of the answer before the error
	}{
		{"prompt", Request{Prompt: longer}, always, "a context of 259 tokens needs ", 0},
		{"prompt and answer", Request{Prompt: prompt, MaxTokens: 100}, always, "a context of 124 tokens needs ", 0},
		{"no more than the model's context", Request{Prompt: prompt, MaxTokens: 1 << 50}, always, "a context of 512 tokens needs ", 0},
		{"within the prompt", Request{Prompt: twice, MaxTokens: 9}, func(done, _ int) bool { return done == chunk }, "a context of 515 tokens needs ", 0},
		{"within the answer", Request{Prompt: page}, func(_, answered int) bool { return answered == 1 }, "a context of 257 tokens needs ", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := NewSession(m)
			restore := func() { copy(m.Config.Layers, layers) }
			defer restore()
			if context := m.Config.MaxPositionEmbeddings; len(test.r.Prompt) > context {
				m.Config.MaxPositionEmbeddings = 2 * chunk
				defer func() { m.Config.MaxPositionEmbeddings = context }()
			}
			growIf := func(now bool) {
				if now {
					grow(m)
				}
			}
			growIf(test.grow(0, 0))
			test.r.Text = spell{}
			test.r.Progress = func(done, _ int) { growIf(test.grow(done, 0)) }
			ids, err := 0, error(nil)
			for p, e := range s.Generate(context.Background(), test.r) {
				if err = e; e != nil || p.Finish != "" || ids > test.ids {
					break
				}
				ids++
				growIf(test.grow(0, ids))
			}
			if err == nil || !strings.HasPrefix(err.Error(), test.want) || !strings.Contains(err.Error(), "--max-tokens") || ids != test.ids {
				t.Errorf("%d tokens, error %v; want %d, %s", ids, err, test.ids, test.want)
			}
			restore()
			if got, _, _, err := collect(t, s, Request{Prompt: prompt, MaxTokens: 4}); err != nil || !slices.Equal(got, greedy[:4]) {
				t.Errorf("afterwards: tokens %v, error %v", got, err)
			}
		})
	}
}
