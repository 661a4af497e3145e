package model_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync/atomic"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/model/state"
)

// endsLater is a context that ends after it was asked so many times: in the middle of a pass.
type endsLater struct {
	context.Context
	left atomic.Int32
}

func endingAfter(n int32) *endsLater {
	c := &endsLater{Context: context.Background()}
	c.left.Store(n)
	return c
}

func (c *endsLater) Err() error {
	if c.left.Add(-1) < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// overflowing returns a model whose values overflow fp16 in layer 4 of one token after good[:7], and of none of good, in any
// order that the tests use; token 77 is NaN.
func overflowing(t *testing.T) (m *model.Model, bad int32, good []int32) {
	t.Helper()
	for i := range int32(12) {
		good = append(good, i)
	}
	for scale := float32(1e4); scale < 1e7; scale *= 1.03 {
		dir := golden.Damaged(t, "jamba-v01-mini", nil, func(h map[string]any, data []byte) {
			offsets := func(name string) (lo, hi int) {
				at := h[name].(map[string]any)["data_offsets"].([]any)
				return int(at[0].(float64)), int(at[1].(float64))
			}
			lo, hi := offsets("model.layers.4.self_attn.v_proj.weight")
			for i := lo; i < hi; i += 4 {
				binary.LittleEndian.PutUint32(data[i:], math.Float32bits(scale*math.Float32frombits(binary.LittleEndian.Uint32(data[i:]))))
			}
			lo, hi = offsets("model.embed_tokens.weight")
			binary.LittleEndian.PutUint32(data[lo+77*(hi-lo)/256:], math.Float32bits(float32(math.NaN())))
		})
		m := golden.OpenWith(t, dir, checkpoint.Options{Precision: model.Fast})
		fails := func(parts ...[]int32) bool {
			_, err := m.NewPass().Logits(context.Background(), model.Span{State: m.NewState(), Tokens: slices.Concat(parts...)})
			return err != nil
		}
		if fails(good[:7], good[:11], good[9:12]) || fails(good[:7], good[5:6], good[9:12]) || fails(good[:7], good[9:12]) || fails(good[:7], good[:9]) {
			break
		}
		for id := range int32(70) {
			if fails(good[:7], []int32{good[3], id, good[1]}) {
				return m, id, good
			}
		}
	}
	t.Fatal("no scale divides the tokens")
	return nil, 0, nil
}

// TestSpanFailsAlone lets one span of three fail in each way, and expects the others' logits, states and those of the tokens
// after them bit for bit as without it, and its own sequence as it was.
func TestSpanFailsAlone(t *testing.T) {
	m, bad, good := overflowing(t)
	ctx := context.Background()
	full := state.NewArena(m.StateSpecs(), 8*state.Bytes(m.StateSpecs(), 256)).New()
	for name, fails := range map[string]model.Span{
		"overflow of a key or value": {Tokens: []int32{good[3], bad, good[1]}},
		"NaN":                        {Tokens: []int32{good[3], 77}},
		"refused memory":             {State: full, Tokens: slices.Repeat(good[:1], 5000)},
		"a token that is none":       {Tokens: []int32{good[0], -1}},
		"an ended context":           {Tokens: good[:9], Context: endingAfter(0)},
		"a context that ends":        {Tokens: good[:9], Context: endingAfter(3)},
	} {
		for place := range 3 {
			// The sequences have a beginning that all of them share.
			begin := m.NewState()
			if fails.State != nil {
				begin = fails.State
				begin.Free()
			}
			p := m.NewPass()
			if _, err := p.Logits(ctx, model.Span{State: begin, Tokens: good[:7]}); err != nil {
				t.Fatal(err)
			}
			used := begin.Arena().Used()
			sequences := []model.Span{
				{State: begin.Fork(), Tokens: good[:11], Want: model.AllLogits},
				{State: begin.Fork(), Tokens: good[5:6]},
			}
			alone := []*state.State{begin.Fork(), begin.Fork()}
			spans := slices.Insert(slices.Clone(sequences), place, fails)
			spans[place].State = begin
			if c, ok := fails.Context.(*endsLater); ok {
				spans[place].Context = endingAfter(c.left.Load())
			}
			got := p.Forward(ctx, spans...)
			if got[place].Err == nil || got[place].Logits != nil || begin.Pos() != 7 {
				t.Errorf("%s: error %v, position %d", name, got[place].Err, begin.Pos())
			}
			if name == "refused memory" && !errors.Is(got[place].Err, state.ErrFull) {
				t.Errorf("%s: error %v", name, got[place].Err)
			}
			var logits [][]float32
			for i, r := range got {
				if i == place {
					continue
				}
				if r.Err != nil {
					t.Fatalf("%s: another span failed: %v", name, r.Err)
				}
				logits = append(logits, slices.Clone(r.Logits))
			}
			for i, s := range sequences {
				want, err := m.NewPass().Logits(ctx, model.Span{State: alone[i], Tokens: s.Tokens, Want: s.Want})
				if err != nil || !slices.Equal(want, logits[i]) {
					t.Errorf("%s: span %d has other logits than alone; %v", name, i, err)
				}
				next := model.Span{Tokens: good[9:12], Want: model.AllLogits}
				next.State = s.State
				a, err := p.Logits(ctx, next)
				next.State = alone[i]
				b, errAlone := m.NewPass().Logits(ctx, next)
				if errors.Join(err, errAlone) != nil || !slices.Equal(a, b) {
					t.Errorf("%s: span %d goes on otherwise than alone; %v %v", name, i, err, errAlone)
				}
				s.State.Free()
				alone[i].Free()
			}
			if begin.Arena().Used() != used {
				t.Errorf("%s: %d bytes in use, %d before", name, begin.Arena().Used(), used)
			}
			// It goes on from its last commit.
			fresh := m.NewState()
			again, err := p.Logits(ctx, model.Span{State: begin, Tokens: good[9:12], Want: model.AllLogits})
			again = slices.Clone(again)
			want, errFresh := m.NewPass().Logits(ctx, model.Span{State: fresh, Tokens: slices.Concat(good[:7], good[9:12]), Want: model.AllLogits})
			if errors.Join(err, errFresh) != nil || !slices.Equal(again, want[len(want)-len(again):]) {
				t.Errorf("%s: the sequence that failed goes on otherwise than one that never did; %v %v", name, err, errFresh)
			}
			begin.Free()
		}
	}
}

// TestAllFail expects that nothing is computed once no span is left, and that the pass can be used on.
func TestAllFail(t *testing.T) {
	m, _, good := overflowing(t)
	p, s := m.NewPass(), m.NewState()
	got := p.Forward(endingAfter(2), model.Span{State: s, Tokens: good[:2]}, model.Span{State: m.NewState(), Tokens: []int32{77}})
	if !errors.Is(got[0].Err, context.DeadlineExceeded) || got[1].Err == nil || s.Arena().Used() != 0 {
		t.Errorf("errors %v, %v", got[0].Err, got[1].Err)
	}
	if _, err := p.Logits(context.Background(), model.Span{State: s, Tokens: good[:2]}); err != nil {
		t.Error(err)
	}
	for _, r := range p.Forward(context.Background(), model.Span{State: s, Tokens: good[:1]}, model.Span{State: s, Tokens: good[:1]})[1:] {
		if r.Err == nil {
			t.Error("a state was continued twice in a pass")
		}
	}
}

// TestKeep expects of states that are kept within a span, wherever the span is cut and begins, that sequences go on from them
// as if they had ended there, bit for bit.
func TestKeep(t *testing.T) {
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		ctx := context.Background()
		for _, start := range []int{0, 2, 5} {
			keep := []int{start, start + 1, 9, 9, 17, 24}
			p, s := g.Model.NewPass(), g.Model.NewState()
			g.Forward(t, p, s, g.IDs[:start])
			other := model.Span{State: g.Model.NewState(), Tokens: g.IDs[:4], Keep: []int{3}}
			r := p.Forward(ctx, other, model.Span{State: s, Tokens: g.IDs[start:], Want: model.AllLogits, Keep: keep})
			if err := errors.Join(r[0].Err, r[1].Err); err != nil {
				t.Fatal(err)
			}
			logits, kept, others := slices.Clone(r[1].Logits), r[1].Kept, r[0].Kept
			if len(kept) != len(keep) || len(others) != 1 {
				t.Fatalf("%d and %d states are kept", len(others), len(kept))
			}
			if want := g.Forward(t, g.Model.NewPass(), g.Model.NewState(), g.IDs)[start*g.Vocab:]; !slices.Equal(logits, want) {
				t.Error("keeping states changes logits")
			}
			for i, at := range keep {
				if kept[i].Pos() != at {
					t.Fatalf("position %d, want %d", kept[i].Pos(), at)
				}
				more := append(slices.Clone(g.IDs[at:]), g.IDs[:6]...)
				fresh := g.Model.NewState()
				g.Forward(t, g.Model.NewPass(), fresh, g.IDs[:at])
				want := g.Forward(t, g.Model.NewPass(), fresh, more)
				if got := g.Forward(t, p, kept[i], more); !slices.Equal(got, want) {
					t.Errorf("start %d: from position %d a sequence goes on otherwise", start, at)
				}
				kept[i].Free()
			}
			others[0].Free()
			other.State.Free()
			s.Free()
			if n := s.Arena().Used(); n != 0 {
				t.Errorf("%d bytes are left in use", n)
			}
		}
	})
}

// TestWants expects the same rows, bit for bit, whatever else is wanted of a pass.
func TestWants(t *testing.T) {
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		ctx := context.Background()
		p := g.Model.NewPass()
		var hidden []float32
		p.Probe = func(_ int, what model.Probe, values []float32) {
			if what == model.FinalHidden {
				hidden = slices.Clone(values)
			}
		}
		logits := g.Forward(t, p, g.Model.NewState(), g.IDs)
		p.Probe = nil
		span := func(want model.Want) model.Span {
			return model.Span{State: g.Model.NewState(), Tokens: g.IDs, Want: want}
		}
		r := p.Forward(ctx, span(model.NoLogits), span(model.AllHidden), span(model.LastLogits), span(model.LastHidden), span(model.AllLogits))
		m := len(hidden) / len(g.IDs)
		last := func(x []float32, n int) []float32 { return x[len(x)-n:] }
		for i, want := range [][]float32{nil, hidden, last(logits, g.Vocab), last(hidden, m), logits} {
			got := r[i].Logits
			if r[i].Hidden != nil {
				got = r[i].Hidden
			}
			if r[i].Err != nil || !slices.Equal(got, want) {
				t.Errorf("span %d: other rows; %v", i, r[i].Err)
			}
		}
		if r := p.Forward(ctx, span(model.NoLogits)); r[0].Err != nil || r[0].Logits != nil {
			t.Errorf("nothing was wanted: %+v", r[0])
		}
	})
}
