package model_test

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/format/safetensors"
	"jamba/internal/testutil"
	"jamba/internal/testutil/golden"
	"jamba/model"
)

// TestTape asserts that a pass that keeps a tape computes what a pass without one does, bit for bit, from weights in the
// mapped file and from a model for training.
func TestTape(t *testing.T) {
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		own, err := checkpoint.OpenForTraining(filepath.Dir(g.Path))
		if err != nil {
			t.Fatal(err)
		}
		pass := func(m *model.Model, tape *model.Tape) (logits []float32, hidden [][]float32) {
			p := m.NewPass()
			p.Tape = tape
			p.Probe = func(_ int, what model.Probe, v []float32) {
				if what == model.Hidden {
					hidden = append(hidden, slices.Clone(v))
				}
			}
			long := slices.Concat(g.IDs, g.IDs, g.IDs, g.IDs) // more than one chunk of the scan
			// The second time everything is in the arena.
			for range 2 {
				hidden = nil
				logits, err = p.Logits(context.Background(),
					model.Span{State: m.NewState(), Tokens: long, Want: model.AllLogits},
					model.Span{State: m.NewState(), Tokens: g.IDs[:5], Want: model.AllLogits},
				)
				if err != nil {
					t.Fatal(err)
				}
			}
			return logits, hidden
		}
		tape := &model.Tape{}
		want, wantHidden := pass(g.Model, nil)
		for _, m := range []*model.Model{g.Model, own} {
			got, hidden := pass(m, tape)
			if !slices.Equal(got, want) {
				t.Error("logits differ from a pass without a tape")
			}
			for i := range hidden {
				if !slices.Equal(hidden[i], wantHidden[i]) {
					t.Errorf("hidden states %d differ", i)
				}
				if i < len(tape.Layers) && !slices.Equal(tape.Layers[i].X, wantHidden[i]) {
					t.Errorf("layer %d: the tape does not hold its input", i)
				}
			}
		}
	})
}

// TestTapeKeepsActivations asserts that nothing on a tape is overwritten later in the pass.
func TestTapeKeepsActivations(t *testing.T) {
	g := golden.Open(t, testutil.Golden("models", "jamba-v01-mini"))
	p := g.Model.NewPass()
	p.Tape = &model.Tape{}
	for range 2 {
		if _, err := p.Logits(context.Background(), model.Span{State: g.Model.NewState(), Tokens: g.IDs}); err != nil {
			t.Fatal(err)
		}
		seen := map[*float32]string{}
		for i, l := range p.Tape.Layers {
			add := func(name string, x []float32) {
				if len(x) == 0 {
					return
				}
				if other, ok := seen[&x[0]]; ok {
					t.Errorf("layer %d: %s has the memory of %s", i, name, other)
				}
				seen[&x[0]] = name
			}
			add("x", l.X)
			add("h", l.H)
			add("feed-forward x", l.FeedForwardX)
			mlp := func(f *model.MLPTape) {
				add("mlp h", f.H)
				add("gate", f.Gate)
				add("up", f.Up)
				add("act", f.Act)
			}
			if m := l.Mamba; m != nil {
				add("xz", m.XZ)
				add("conv", m.Scan.X)
				add("y", m.Scan.Y)
				add("dt", m.Scan.Dt)
				add("b", m.Scan.B)
				add("c", m.Scan.C)
				add("dtbc", m.DtBC)
				for _, s := range m.States {
					add("state", s)
				}
			}
			if l.MLP != nil {
				mlp(l.MLP)
			}
			if l.MoE != nil {
				add("probs", l.MoE.Probs)
				picks := 0
				for _, e := range l.MoE.Experts {
					add("y", e.Y)
					mlp(&e.MLP)
					picks += len(e.Picks)
				}
				if picks != len(l.MoE.Picks) {
					t.Errorf("layer %d: %d picks, experts have %d", i, len(l.MoE.Picks), picks)
				}
				for r := range len(g.IDs) {
					n := len(l.MoE.Experts)
					sum := float32(0)
					for _, v := range l.MoE.Probs[r*n : (r+1)*n] {
						sum += v
					}
					if math.Abs(float64(sum-1)) > 1e-6 {
						t.Errorf("layer %d: probabilities of row %d add up to %v", i, r, sum)
					}
				}
			}
		}
	}
}

func TestTapeBeginsAtTheStart(t *testing.T) {
	g := golden.Open(t, testutil.Golden("models", "jamba-pure-mamba"))
	p, s := g.Model.NewPass(), g.Model.NewState()
	g.Forward(t, p, s, g.IDs)
	p.Tape = &model.Tape{}
	if _, err := p.Logits(context.Background(), model.Span{State: s, Tokens: g.IDs}); err == nil || !strings.Contains(err.Error(), "continues a sequence of 24 tokens") {
		t.Error(err)
	}
}

// TestParams asserts that a model for training lists exactly the checkpoint's tensors, and that it computes with them.
func TestParams(t *testing.T) {
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		m, err := checkpoint.OpenForTraining(filepath.Dir(g.Path))
		if err != nil {
			t.Fatal(err)
		}
		file := map[string][]int{}
		total := int64(0)
		for _, name := range checkpointNames(t, filepath.Dir(g.Path)) {
			file[name] = nil
		}
		for _, p := range m.Params() {
			if _, ok := file[p.Name]; !ok {
				t.Errorf("%s is not in the checkpoint", p.Name)
			}
			delete(file, p.Name)
			total += int64(len(p.Value))
		}
		for name := range file {
			t.Errorf("%s is not listed", name)
		}
		if want := m.Sizes().Total().Params; total != want {
			t.Errorf("%d parameters listed, the model has %d", total, want)
		}
		// Any of them matters.
		if !slices.Contains([]string{"jamba-v01-mini", "jamba-odd-tied", "mixtral-tiny", "mamba-tiny"}, g.Name) {
			return
		}
		want := g.Forward(t, m.NewPass(), m.NewState(), g.IDs)
		for _, p := range m.Params() {
			// A whole tensor, since a token's row or an expert may not be used.
			old := slices.Clone(p.Value)
			for i := range p.Value {
				p.Value[i] += 0.01 * float32(1+i%3)
			}
			m.Refresh()
			if slices.Equal(g.Forward(t, m.NewPass(), m.NewState(), g.IDs), want) {
				t.Errorf("%s changes nothing", p.Name)
			}
			copy(p.Value, old)
		}
		m.Refresh()
		if !slices.Equal(g.Forward(t, m.NewPass(), m.NewState(), g.IDs), want) {
			t.Error("with its weights back, the model computes something else")
		}
	})
}

func TestNew(t *testing.T) {
	g := golden.Open(t, testutil.Golden("models", "jamba-v01-mini"))
	c := g.Model.Config
	c.PADTokenID = 0
	m, err := model.New(c, 1, model.InitializerRange)
	if err != nil {
		t.Fatal(err)
	}
	again, err := model.New(c, 1, model.InitializerRange)
	if err != nil {
		t.Fatal(err)
	}
	other, err := model.New(c, 2, model.InitializerRange)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := model.New(c, 1, 5*model.InitializerRange)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := checkpoint.OpenForTraining(testutil.Golden("models", "jamba-v01-mini"))
	if err != nil {
		t.Fatal(err)
	}
	mean := func(x []float32) (mean, deviation float64) {
		for _, v := range x {
			mean += float64(v) / float64(len(x))
		}
		for _, v := range x {
			deviation += (float64(v) - mean) * (float64(v) - mean) / float64(len(x))
		}
		return mean, math.Sqrt(deviation)
	}
	for i, p := range m.Params() {
		if s := stored.Params()[i]; p.Name != s.Name || p.ID != s.ID || p.Tensor != s.Tensor || len(p.Value) != len(s.Value) {
			t.Errorf("%s is %s in the checkpoint", p.Name, s.Name)
		}
		if !slices.Equal(p.Value, again.Params()[i].Value) {
			t.Errorf("%s: other weights from the same seed", p.Name)
		}
		v := p.Value
		random := true
		switch p.Kind() {
		case model.Projection, model.Embedding:
			if p.Kind() == model.Embedding {
				if slices.ContainsFunc(v[:c.HiddenSize], func(x float32) bool { return x != 0 }) {
					t.Error("the padding token's row is not zero")
				}
				v = v[c.HiddenSize:]
			}
			n := math.Sqrt(float64(len(v)))
			if x := float64(wide.Params()[i].Value[len(p.Value)-1] / p.Value[len(p.Value)-1]); math.Abs(x-5) > 1e-5 {
				t.Errorf("%s: %v times as wide, want 5", p.Name, x)
			}
			if mean, dev := mean(v); math.Abs(mean) > 0.02*5/n || math.Abs(dev-0.02) > 0.02*5/n {
				t.Errorf("%s: mean %v, deviation %v", p.Name, mean, dev)
			}
		case model.Convolution:
			if top := slices.Max(v); top > 0.5 || top < 0.4 || slices.Min(v) < -0.5 {
				t.Errorf("%s: up to %v", p.Name, top)
			}
		case model.Bias:
			if random = strings.HasSuffix(p.Name, "dt_proj.bias"); !random {
				continue
			}
			for _, x := range v {
				if dt := math.Log1p(math.Exp(float64(x))); dt < 1e-3*0.999 || dt > 0.1*1.001 {
					t.Errorf("%s: time step %v", p.Name, dt)
				}
			}
		case model.ALog:
			random = false
			if math.Abs(float64(v[2])-math.Log(3)) > 1e-6 || v[0] != 0 || v[p.Shape[1]] != 0 {
				t.Errorf("%s: %v", p.Name, v[:3])
			}
		case model.Norm, model.D:
			random = false
			if slices.Min(v) != 1 || slices.Max(v) != 1 {
				t.Errorf("%s is not 1", p.Name)
			}
		}
		if random && slices.Equal(p.Value, other.Params()[i].Value) {
			t.Errorf("%s: the same weights from another seed", p.Name)
		}
	}
	if len(m.Params()) != len(stored.Params()) {
		t.Errorf("%d parameters, the checkpoint has %d", len(m.Params()), len(stored.Params()))
	}
	if _, err := model.New(model.Config{}, 1, model.InitializerRange); err == nil {
		t.Error("a model without a configuration was made")
	}
	c.Architecture = "other"
	if _, err := model.New(c, 1, model.InitializerRange); err == nil || !strings.Contains(err.Error(), `"other"`) {
		t.Error(err)
	}
}

// checkpointNames returns the names of all tensors of a checkpoint.
func checkpointNames(t *testing.T, dir string) []string {
	t.Helper()
	set, err := safetensors.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	return set.Names()
}
