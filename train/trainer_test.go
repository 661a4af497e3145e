package train_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/kernel/par"
	"jamba/internal/testutil"
	"jamba/model"
	"jamba/model/param"
	"jamba/train"
)

func options() train.Options {
	return train.Options{Schedule: train.Schedule{Peak: 1e-3}, AdamW: train.DefaultAdamW(), Clip: 1, AuxCoef: 0.01}
}

// tiny is a hybrid of all parts.
func tiny() model.Config {
	c := model.Config{Architecture: "jamba", VocabSize: 97, HiddenSize: 32, RMSNormEps: 1e-6, PADTokenID: -1}
	mamba := &model.Mamba{DInner: 64, DState: 8, DConv: 4, DtRank: 4, ConvBias: true, InnerNorms: true, NormEps: 1e-6}
	attention := &model.Attention{NumAttentionHeads: 4, NumKeyValueHeads: 2, HeadDim: 8}
	mlp, moe := &model.MLP{IntermediateSize: 48}, &model.MoE{IntermediateSize: 48, NumExperts: 4, NumExpertsPerTok: 2}
	c.Layers = []model.Layer{{Mamba: mamba, MLP: mlp}, {Attention: attention, MoE: moe}, {Mamba: mamba, MoE: moe}}
	return c
}

func newTrainer(t *testing.T, c model.Config, o train.Options) (*model.Model, *train.Trainer) {
	t.Helper()
	m, err := model.New(c, 7, model.InitializerRange)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := train.New(m, o)
	if err != nil {
		t.Fatal(err)
	}
	return m, tr
}

func step(t *testing.T, tr *train.Trainer, batches ...*train.Batch) train.Stats {
	t.Helper()
	s, err := tr.Step(context.Background(), batches...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestOverfit learns 32 short documents by heart.
func TestOverfit(t *testing.T) {
	testutil.SkipRace(t, testutil.OneGoroutine)
	defer par.SetThreads(0)
	par.SetThreads(1) // the loops are too short for more
	o := options()
	o.Schedule = train.Schedule{Kind: train.Cosine, Peak: 1e-2, Min: 1e-3, Warmup: 10, Steps: 120}
	o.AdamW.WeightDecay = 0
	c := tiny()
	_, tr := newTrainer(t, c, o)
	// The first token tells which document it is; what follows is random.
	b := randomBatch(c.VocabSize, 32, 12)
	for i, s := range b.Tokens {
		s[0] = int32(i)
	}
	first := step(t, tr, b)
	near(t, "loss at the start", first.CE, math.Log(float64(c.VocabSize)), 0.05)
	var last train.Stats
	for range 120 {
		last = step(t, tr, b)
	}
	if !(last.CE < 0.02) {
		t.Errorf("cross entropy after 120 steps is %v, want below 0.02", last.CE)
	}
}

// TestThreads asserts that training does not depend on the number of threads, bit for bit.
func TestThreads(t *testing.T) {
	defer par.SetThreads(0)
	c := tiny()
	b := randomBatch(c.VocabSize, 3, 50)
	var want [][]float32
	for threads := 1; threads <= 3; threads++ {
		par.SetThreads(threads)
		_, tr := newTrainer(t, c, options())
		for range 3 {
			step(t, tr, b)
		}
		var got [][]float32
		for _, p := range tr.Params {
			got = append(got, p.Value)
		}
		for i := range want {
			if !slices.Equal(got[i], want[i]) {
				t.Errorf("%d threads: %s has other values", threads, tr.Params[i].Name)
			}
		}
		want = got
	}
}

// TestBoundaries asserts that documents packed into one sequence train as documents by themselves: nothing is seen across
// a boundary, and nothing less is seen within one.
func TestBoundaries(t *testing.T) {
	c := tiny()
	documents := randomBatch(c.VocabSize, 3, 40)
	documents.Tokens[1] = documents.Tokens[1][:1]
	packed := &train.Batch{Tokens: [][]int32{slices.Concat(documents.Tokens[:2]...), documents.Tokens[2]}, Starts: [][]int{{40}, nil}}
	_, alone := newTrainer(t, c, options())
	_, together := newTrainer(t, c, options())
	want, got := step(t, alone, documents), step(t, together, packed)
	if want.Loss != got.Loss || want.GradNorm != got.GradNorm || got.Targets != 78 || got.Tokens != 81 {
		t.Errorf("packed: %+v, by themselves: %+v", got, want)
	}
	packed.Starts = nil
	_, joined := newTrainer(t, c, options())
	if s := step(t, joined, packed); s.Loss == want.Loss || s.Targets != 79 {
		t.Errorf("without a boundary: %+v", s)
	}
}

// TestAccumulation asserts that batches of different sizes weigh as one.
func TestAccumulation(t *testing.T) {
	c := tiny()
	o := options()
	o.AuxCoef = 0 // the load-balancing loss of a part is not that of the whole
	b := randomBatch(c.VocabSize, 3, 40)
	b.Labels = slices.Clone(b.Tokens)
	b.Labels[2] = slices.Repeat([]int32{train.Ignore}, 40)
	copy(b.Labels[2][30:], b.Tokens[2][30:])
	_, whole := newTrainer(t, c, o)
	_, parts := newTrainer(t, c, o)
	want := step(t, whole, b)
	got := step(t, parts, &train.Batch{Tokens: b.Tokens[:1], Labels: b.Labels[:1]}, &train.Batch{Tokens: b.Tokens[1:], Labels: b.Labels[1:]})
	near(t, "loss", got.Loss, want.Loss, 1e-6)
	near(t, "norm", got.GradNorm, want.GradNorm, 1e-6)
	if got.Targets != 39+39+10 || got.Tokens != 120 {
		t.Errorf("%+v", got)
	}
	for i, p := range whole.Params {
		other := slices.Clone(parts.Params[i].Grad)
		for j, v := range p.Grad {
			other[j] -= v
		}
		near(t, p.Name, norm(other), 0, 1e-5*norm(p.Grad)+1e-9)
	}
}

// TestShares asserts that a batch given twice trains as if it were given once, with its load-balancing loss.
func TestShares(t *testing.T) {
	c := tiny()
	o := options()
	o.AuxCoef = 1
	b := randomBatch(c.VocabSize, 2, 20)
	_, once := newTrainer(t, c, o)
	_, twice := newTrainer(t, c, o)
	want, got := step(t, once, b), step(t, twice, b, b)
	near(t, "loss", got.Loss, want.Loss, 1e-6)
	near(t, "norm of the gradients", got.GradNorm, want.GradNorm, 1e-5*want.GradNorm)
}

// TestClip asserts that gradients are scaled down and never up. AdamW's first step does not depend on their scale, but its
// memory does.
func TestClip(t *testing.T) {
	c := tiny()
	b := randomBatch(c.VocabSize, 2, 20)
	for _, clip := range []float64{0, 1e-3, 1e6} {
		o := options()
		o.Clip = clip
		_, tr := newTrainer(t, c, o)
		s := step(t, tr, b)
		sum := 0.0
		for _, m := range tr.Moments.M {
			sum += norm(m) * norm(m)
		}
		want := s.GradNorm
		if clip == 1e-3 {
			want = clip
		}
		near(t, "norm of the first moments", math.Sqrt(sum), 0.1*want, 0.002*want)
	}
}

func TestFrozen(t *testing.T) {
	c := tiny()
	o := options()
	o.Trains = func(p *model.Param) bool { return strings.Contains(string(p.Part), "mamba.") }
	m, some := newTrainer(t, c, o)
	_, all := newTrainer(t, c, options())
	before := map[string][]float32{}
	for _, p := range m.Params() {
		before[p.Name] = slices.Clone(p.Value)
	}
	b := randomBatch(c.VocabSize, 2, 30)
	step(t, some, b)
	step(t, all, b)
	for i, p := range some.Params {
		trained := o.Trains(&p.Param)
		if changed := !slices.Equal(p.Value, before[p.Name]); changed != trained {
			t.Errorf("%s: changed %v, trained %v", p.Name, changed, trained)
		}
		if trained && !slices.Equal(p.Grad, all.Params[i].Grad) {
			t.Errorf("%s: another gradient when others are frozen", p.Name)
		}
	}
}

// TestNotFinite asserts that a step that goes wrong says where and leaves the weights alone.
func TestNotFinite(t *testing.T) {
	c := tiny()
	b := randomBatch(c.VocabSize, 1, 20)
	for _, broken := range []struct {
		name  string
		value float32
		want  string
	}{
		{"model.layers.1.self_attn.q_proj.weight", float32(math.NaN()), "step 1: layer 1 (attention + moe): activations are infinite or NaN"},
		{"model.layers.2.mamba.out_proj.weight", float32(math.Inf(1)), "step 1: layer 2 (mamba + moe)"},
		{"lm_head.weight", float32(math.NaN()), "step 1: lm_head: the loss is NaN"},
		{"nothing but the coefficient", 0, "step 1: model.layers.2.pre_ff_layernorm.weight: the gradient is infinite or NaN"},
	} {
		o := options()
		_, tr := newTrainer(t, c, o)
		step(t, tr, b)
		if broken.value == 0 {
			// All of the forward pass is well, but float32 cannot hold the gradient.
			o.AuxCoef = 1e39
			moments := tr.Moments
			_, tr = newTrainer(t, c, o)
			tr.Moments = moments
		}
		for i := range tr.Params {
			if p := &tr.Params[i]; p.Name == broken.name {
				for j := range p.Value {
					p.Value[j] = broken.value
				}
			}
		}
		var before, m, v [][]float32
		for i, p := range tr.Params {
			before, m, v = append(before, slices.Clone(p.Value)), append(m, slices.Clone(tr.Moments.M[i])), append(v, slices.Clone(tr.Moments.V[i]))
		}
		_, err := tr.Step(context.Background(), b)
		if err == nil || !strings.Contains(err.Error(), broken.want) {
			t.Errorf("%s: %v, want %q", broken.name, err, broken.want)
		}
		if tr.Moments.Step != 1 {
			t.Errorf("%s: the step counts", broken.name)
		}
		for i, p := range tr.Params {
			if p.Name != broken.name && !slices.Equal(p.Value, before[i]) || !slices.Equal(tr.Moments.M[i], m[i]) || !slices.Equal(tr.Moments.V[i], v[i]) {
				t.Errorf("%s: %s has changed", broken.name, p.Name)
			}
		}
	}
}

func TestCancelled(t *testing.T) {
	c := tiny()
	_, tr := newTrainer(t, c, options())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := tr.Step(ctx, randomBatch(c.VocabSize, 1, 9)); err == nil || tr.Moments.Step != 0 {
		t.Errorf("%v after %d steps", err, tr.Moments.Step)
	}
	step(t, tr, randomBatch(c.VocabSize, 1, 9)) // and all is well again
}

// TestBalance asserts that a router without preference has a loss of the number of experts a token goes to.
func TestBalance(t *testing.T) {
	c := tiny()
	m, tr := newTrainer(t, c, options())
	for _, p := range m.Params() {
		if p.Part == param.Router {
			clear(p.Value)
		}
	}
	s, err := tr.Evaluate(context.Background(), randomBatch(c.VocabSize, 1, 16))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "auxiliary loss", s.Aux, 2, 1e-6)
}

// TestEvaluate asserts that an evaluation gives the losses of a step and changes nothing.
func TestEvaluate(t *testing.T) {
	c := tiny()
	o := options()
	o.Inspect = true
	_, tr := newTrainer(t, c, o)
	b := randomBatch(c.VocabSize, 2, 300) // more rows than the head takes at a time
	got, err := tr.Evaluate(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	want := step(t, tr, b)
	if got.Loss != want.Loss || got.CE != want.CE || got.Aux != want.Aux || got.Targets != want.Targets {
		t.Errorf("evaluated %+v, trained on %+v", got, want)
	}
	if len(want.Layers) != len(c.Layers) {
		t.Fatalf("figures of %d layers", len(want.Layers))
	}
	for i, l := range want.Layers {
		if !(l.Out > 0 && l.OutMax > l.Out && l.Inner > 0 && l.DOut > 0) {
			t.Errorf("layer %d: %+v", i, l)
		}
		if e := got.Layers[i]; e.Out != l.Out || e.OutMax != l.OutMax || e.Inner != l.Inner {
			t.Errorf("layer %d: evaluated %+v, trained on %+v", i, e, l)
		}
	}
}

func TestErrors(t *testing.T) {
	c := tiny()
	m, tr := newTrainer(t, c, options())
	seq := []int32{1, 2, 3}
	for _, x := range []struct {
		b    train.Batch
		want string
	}{
		{train.Batch{}, "no token"},
		{train.Batch{Tokens: [][]int32{{1}}}, "no token"},
		{train.Batch{Tokens: [][]int32{seq}, Labels: [][]int32{{-100, -100, -100}}}, "no token"},
		{train.Batch{Tokens: [][]int32{seq}, Labels: [][]int32{{1, 2}}}, "sequence 0 has 3 tokens and 2 labels"},
		{train.Batch{Tokens: [][]int32{seq}, Labels: [][]int32{}}, "1 sequences has 0 of labels"},
		{train.Batch{Tokens: [][]int32{seq}, Labels: [][]int32{{1, 2, 97}}}, "label 97 is outside"},
		{train.Batch{Tokens: [][]int32{seq}, Labels: [][]int32{{1, -1, 3}}}, "label -1 is outside"},
		{train.Batch{Tokens: [][]int32{{1, 2, 97}}, Labels: [][]int32{seq}}, "token id 97"},
		{train.Batch{Tokens: [][]int32{seq}, Starts: [][]int{{2, 1}}}, "starts at 1"},
		{train.Batch{Tokens: [][]int32{seq}, Starts: [][]int{{4}}}, "starts at 4"},
	} {
		if _, err := tr.Step(context.Background(), &x.b); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%+v: %v, want %q", x.b, err, x.want)
		}
		if _, err := tr.Evaluate(context.Background(), &x.b); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%+v: evaluation: %v, want %q", x.b, err, x.want)
		}
	}
	if tr.Moments.Step != 0 {
		t.Error("a step was done")
	}
	for want, change := range map[string]func(o *train.Options){
		"lr is 0":                func(o *train.Options) { o.Schedule.Peak = 0 },
		"warmup is 0, want less": func(o *train.Options) { o.Schedule.Kind = train.Cosine },
		"betas":                  func(o *train.Options) { o.AdamW.Betas[1] = 1 },
		"eps":                    func(o *train.Options) { o.AdamW.Eps = 0 },
		"clip":                   func(o *train.Options) { o.Clip = -1 },
		"warmup is -1":           func(o *train.Options) { o.Schedule.Warmup = -1 },
		"min-lr is 1":            func(o *train.Options) { o.Schedule.Min = 1 },
		"eps is 1e-60":           func(o *train.Options) { o.AdamW.Eps = 1e-60 },
		"weight-decay is +Inf":   func(o *train.Options) { o.AdamW.WeightDecay = math.Inf(1) },
		"aux-coef is NaN":        func(o *train.Options) { o.AuxCoef = math.NaN() },
	} {
		o := options()
		change(&o)
		if _, err := train.New(m, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	mapped, err := checkpoint.OpenModel(testutil.Golden("models", "llama-tiny"), checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mapped.Close()
	if _, err := train.New(mapped, options()); err == nil || !strings.Contains(err.Error(), "open it for training") {
		t.Error(err)
	}
}
