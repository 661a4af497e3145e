package model_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"jamba/internal/kernel"
	"jamba/internal/testutil"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/model/state"
)

func TestForward(t *testing.T) {
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		p := g.Model.NewPass()
		hidden, router := map[int][]float32{}, [][]float32{}
		var final []float32
		p.Probe = func(layer int, what model.Probe, v []float32) {
			switch what {
			case model.Hidden:
				hidden[layer] = slices.Clone(v)
			case model.FinalHidden:
				final = slices.Clone(v)
			case model.RouterLogits:
				router = append(router, slices.Clone(v))
			}
		}
		want, _ := g.Tensors.Floats("logits")
		g.Near(t, "logits", g.Forward(t, p, g.Model.NewState(), g.IDs), want)

		// The reference lists the embedding first, except for Mamba, and the final norm's output last.
		n := len(g.Model.Config.Layers)
		first := -1
		if g.Model.Config.Architecture == "mamba" {
			first = 0
		}
		for i := range n + 1 {
			want, _ := g.Tensors.Floats(fmt.Sprintf("hidden_states.%d", i))
			if i == n {
				golden.NearRelative(t, "final hidden state", final, want)
			} else {
				golden.NearRelative(t, fmt.Sprintf("hidden state %d", i), hidden[i+first], want)
			}
		}
		for j, got := range router {
			want, _ := g.Tensors.Floats(fmt.Sprintf("router_logits.%d", j))
			g.Near(t, fmt.Sprintf("router logits %d", j), got, want)
		}
		if g.Tensors.Has(fmt.Sprintf("router_logits.%d", len(router))) {
			t.Errorf("only %d routers", len(router))
		}
	})
}

func TestDecode(t *testing.T) {
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		name := "decode_logits"
		if !g.Tensors.Has(name) {
			name = "logits" // the reference has no cache for this layout
		}
		want, _ := g.Tensors.Floats(name)
		p, s := g.Model.NewPass(), g.Model.NewState()
		got := g.Forward(t, p, s, g.IDs[:g.Info.Prefill])
		checkState(t, g, s, "cache_after_prefill")
		got = append(got, g.Forward(t, p, s, g.IDs[g.Info.Prefill:], slices.Repeat([]int{1}, 24)...)...)
		checkState(t, g, s, "cache_after_decode")
		g.Near(t, "decode", got, want)
	})
}

// checkState compares every layer's memory with the reference's cache.
func checkState(t *testing.T, g *golden.Golden, s *state.State, name string) {
	t.Helper()
	if g.Name == "jamba-pure-mamba" {
		return
	}
	for i, l := range g.Model.Config.Layers {
		if a := l.Attention; a != nil {
			wantK, shape := g.Tensors.Floats(fmt.Sprintf("%s.%d.key", name, i))
			wantV, _ := g.Tensors.Floats(fmt.Sprintf("%s.%d.value", name, i))
			var k, v []float32
			for head := range shape[1] {
				// With a sliding window the reference keeps the last positions only.
				for pos := s.Pos() - shape[2]; pos < s.Pos(); pos++ {
					key, value := s.KV(i).At(pos, head)
					k, v = append(k, key...), append(v, value...)
				}
			}
			g.Near(t, fmt.Sprintf("%s: layer %d: key", name, i), k, wantK)
			g.Near(t, fmt.Sprintf("%s: layer %d: value", name, i), v, wantV)
			continue
		}
		// The reference has channels first, and one more input of the convolution than is needed.
		conv, h := s.Mamba(i)
		want, shape := g.Tensors.Floats(fmt.Sprintf("%s.%d.conv_state", name, i))
		e, w := shape[1], shape[2]
		var got, last []float32
		for c := range e {
			for j := range w - 1 {
				got = append(got, conv[j*e+c])
				last = append(last, want[c*w+j+1])
			}
		}
		golden.NearRelative(t, fmt.Sprintf("%s: layer %d: conv state", name, i), got, last)
		want, shape = g.Tensors.Floats(fmt.Sprintf("%s.%d.ssm_state", name, i))
		got = nil
		for c := range e {
			for n := range shape[2] {
				got = append(got, h[(c/kernel.ScanPanel*shape[2]+n)*kernel.ScanPanel+c%kernel.ScanPanel])
			}
		}
		golden.NearRelative(t, fmt.Sprintf("%s: layer %d: ssm state", name, i), got, want)
	}
}

// TestChunks asserts the rule of package kernel: however a sequence is cut, the logits are the same, bit for bit.
func TestChunks(t *testing.T) {
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		p := g.Model.NewPass()
		want := g.Forward(t, p, g.Model.NewState(), g.IDs)
		for _, chunks := range [][]int{
			slices.Repeat([]int{1}, 24), slices.Repeat([]int{3}, 8), slices.Repeat([]int{7}, 4), {9, 1, 14}, {2, 3, 1, 5}, {23, 1},
		} {
			got := g.Forward(t, p, g.Model.NewState(), g.IDs, chunks...)
			if !slices.Equal(got, want) {
				t.Errorf("chunks %v: logits differ by %.2g", chunks, testutil.MaxDiff(t, got, want))
			}
		}
	})
}

// TestBatch runs the reference's batch of three prompts in one pass. Sequences of different lengths need no padding here;
// the padded batch of the reference has to agree all the same.
func TestBatch(t *testing.T) {
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		ids, shape := g.Tensors.Ints("batch.input_ids")
		mask, _ := g.Tensors.Ints("batch.attention_mask")
		padded, _ := g.Tensors.Floats("batch.logits")
		var spans []model.Span
		var want, unpadded []float32
		for b := range shape[0] {
			s := model.Span{State: g.Model.NewState(), Want: model.AllLogits}
			for i := b * shape[1]; i < (b+1)*shape[1]; i++ {
				if mask[i] != 0 {
					s.Tokens = append(s.Tokens, ids[i])
					want = append(want, padded[i*g.Vocab:(i+1)*g.Vocab]...)
				}
			}
			one, _ := g.Tensors.Floats(fmt.Sprintf("batch.unpadded_logits.%d", b))
			unpadded = append(unpadded, one...)
			spans = append(spans, s)
		}
		got, err := g.Model.NewPass().Logits(context.Background(), spans...)
		if err != nil {
			t.Fatal(err)
		}
		g.Near(t, "unpadded", got, unpadded)
		if g.Name != "jamba-odd-tied" { // there the reference lets the projection's bias leak out of the padding
			g.Near(t, "padded", got, want)
		}

		// Next to others or alone, a sequence gets the same logits, bit for bit; so do the tokens that come after.
		row := 0
		for b, s := range spans {
			alone := g.Model.NewState()
			one := g.Forward(t, g.Model.NewPass(), alone, s.Tokens)
			if !slices.Equal(one, got[row:row+len(one)]) {
				t.Errorf("sequence %d differs from its run alone", b)
			}
			row += len(one)
			a := g.Forward(t, g.Model.NewPass(), alone, g.IDs)
			if !slices.Equal(a, g.Forward(t, g.Model.NewPass(), s.State, g.IDs)) {
				t.Errorf("sequence %d goes on differently from its run alone", b)
			}
		}
	})
}

func TestGreedy(t *testing.T) {
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		p, s := g.Model.NewPass(), g.Model.NewState()
		next, got := g.IDs, []int32{}
		for len(got) < len(g.Info.Forward.Greedy) {
			logits, err := p.Logits(context.Background(), model.Span{State: s, Tokens: next})
			if err != nil {
				t.Fatal(err)
			}
			best := int32(0)
			for id, v := range logits {
				if v > logits[best] {
					best = int32(id)
				}
			}
			got = append(got, best)
			next = []int32{best}
		}
		if !slices.Equal(got, g.Info.Forward.Greedy) {
			t.Errorf("greedy tokens %v, want %v", got, g.Info.Forward.Greedy)
		}
	})
}

// TestBF16 compares with the reference's bfloat16 arithmetic, which is only comparable on average.
func TestBF16(t *testing.T) {
	g := golden.Open(t, testutil.Golden("models", "jamba-v01-mini-bf16"))
	got := g.Forward(t, g.Model.NewPass(), g.Model.NewState(), g.IDs)
	want, _ := g.Tensors.Floats("bf16.logits")
	sum, agree := 0.0, 0
	for t := range len(g.IDs) {
		a, b := got[t*g.Vocab:(t+1)*g.Vocab], want[t*g.Vocab:(t+1)*g.Vocab]
		for i := range a {
			sum += math.Abs(float64(a[i] - b[i]))
		}
		if slices.Index(a, slices.Max(a)) == slices.Index(b, slices.Max(b)) {
			agree++
		}
	}
	if mean := sum / float64(len(got)); mean > 0.05 {
		t.Errorf("mean abs difference %.3g, want at most 0.05", mean)
	}
	if agree*10 < len(g.IDs)*9 {
		t.Errorf("%d of %d best tokens agree, want 90 %%", agree, len(g.IDs))
	}
}

func TestState(t *testing.T) {
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		p, s := g.Model.NewPass(), g.Model.NewState()
		g.Forward(t, p, s, g.IDs[:10])
		snapshot := s.Fork()
		want := g.Forward(t, p, s, g.IDs[10:])
		if got := g.Forward(t, p, snapshot, g.IDs[10:]); !slices.Equal(got, want) {
			t.Error("a clone goes on differently")
		}
		s.Free()
		want, _ = g.Tensors.Floats("logits")
		g.Near(t, "after reset", g.Forward(t, p, s, g.IDs), want)
	})
}
