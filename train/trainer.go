package train

import (
	"context"
	"fmt"
	"math"

	"jamba/internal/kernel/par"
	"jamba/model"
	"jamba/model/state"
)

// Options are a training's settings.
type Options struct {
	Schedule Schedule
	AdamW    AdamW
	Clip     float64                   // the gradients' global norm is scaled down to this; 0: never
	AuxCoef  float64                   // of the load-balancing loss; 0: it is not counted in (but told)
	Trains   func(p *model.Param) bool // whether a parameter that can change is trained; nil: all are, or an adapter's alone if there is one
	Inspect  bool                      // fill Stats.Layers
	Profile  *model.Profile            // if set, adds up the time of each operation
}

// Validate returns an error, which begins with the setting, if one of the numbers is not possible. New does so, too.
func (o *Options) Validate() error {
	if err := o.Schedule.validate(); err != nil {
		return err
	}
	if err := o.AdamW.validate(); err != nil {
		return err
	}
	if !(o.Clip >= 0) {
		return fmt.Errorf("clip is %v, want 0 or more", o.Clip)
	}
	if !(o.AuxCoef >= 0) || math.IsInf(o.AuxCoef, 0) {
		return fmt.Errorf("aux-coef is %v, want 0 or more", o.AuxCoef)
	}
	return nil
}

// Trainer trains a model, which must not be used by others while Step runs. It is not safe for concurrent use.
type Trainer struct {
	Params  []Param // in the order of the model's
	Moments Moments

	model   *model.Model
	options Options
	pass    *model.Pass
	tape    model.Tape
	back    backward
	states  []*state.State
}

// Stats are the figures of one step, from before its update.
type Stats struct {
	Step     int     // the first is 0
	Loss     float64 // CE + AuxCoef·Aux
	CE       float64 // cross entropy, the mean over all targets
	Aux      float64 // load-balancing loss, the mean over the batches; number of experts per token if balanced
	GradNorm float64 // of all gradients together, before clipping
	LR       float64
	Tokens   int // rows computed
	Targets  int // tokens predicted
	Layers   []LayerStats
}

// LayerStats are the figures of one layer, over all rows of a step's last batch.
type LayerStats struct {
	Out    float32 // root mean square of the layer's output
	OutMax float32 // the largest magnitude in it
	Inner  float32 // the largest magnitude within its mixer: Mamba's dt, B and C before their norms, attention's q and k
	DOut   float32 // root mean square of the gradient of the layer's output
}

// New returns a trainer of m, one of model.New, checkpoint.OpenForTraining or, with an adapter, checkpoint.OpenFrozen.
func New(m *model.Model, o Options) (*Trainer, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	params := m.Params()
	if params == nil {
		return nil, fmt.Errorf("the model's weights are those of its file; open it for training")
	}
	experts := 0
	for i, l := range m.Config.Layers {
		if l.MoE == nil {
			continue
		}
		if experts != 0 && l.MoE.NumExperts != experts {
			return nil, fmt.Errorf("layer %d has %d experts, others %d: the load-balancing loss wants one number", i, l.MoE.NumExperts, experts)
		}
		experts = l.MoE.NumExperts
	}
	t := &Trainer{model: m, options: o, pass: m.NewPass(), Params: make([]Param, len(params))}
	for i, p := range params {
		t.Params[i].Param = p
		if p.Weight == nil && (o.Trains == nil && (m.Adapter() == nil || p.Adapter != nil) || o.Trains != nil && o.Trains(&p)) {
			t.Params[i].Grad = make([]float32, len(p.Value))
		}
	}
	t.Moments, t.pass.Profile = newMoments(t.Params), o.Profile
	t.back = backward{config: &m.Config, profile: o.Profile, layers: index(t.Params, len(m.Config.Layers)), tape: &t.tape}
	return t, nil
}

// Step trains on batches, whose gradients are added up: together they weigh as one batch of all their targets. It
// returns the figures from before the update.
//
// If the batches are not fit, ctx ends, or the loss or a gradient comes out infinite or NaN, it returns an error that
// says where, and the weights stay as they were.
func (t *Trainer) Step(ctx context.Context, batches ...*Batch) (Stats, error) {
	s, err := t.gradients(ctx, batches)
	if err != nil {
		return s, err
	}
	if s.GradNorm, err = t.norm(); err != nil {
		return s, fmt.Errorf("step %d: %w", s.Step, err)
	}
	scale := 1.0
	if t.options.Clip > 0 {
		// As torch's clip_grad_norm_.
		scale = min(1, t.options.Clip/(s.GradNorm+1e-6))
	}
	t.options.AdamW.update(t.Params, &t.Moments, s.LR, scale)
	t.model.Refresh()
	if p := t.options.Profile; p != nil {
		p.Lap("optimizer")
	}
	return s, nil
}

// gradients fills the gradients of all parameters.
func (t *Trainer) gradients(ctx context.Context, batches []*Batch) (Stats, error) {
	s := Stats{Step: t.Moments.Step, LR: t.options.Schedule.LR(t.Moments.Step)}
	for _, b := range batches {
		_, labels, err := t.spans(b)
		if err != nil {
			return s, err
		}
		s.Tokens += len(labels)
		s.Targets += targets(labels)
	}
	if s.Targets == 0 {
		return s, fmt.Errorf("step %d: no token of the batch is to be predicted", s.Step)
	}
	for i := range t.Params {
		clear(t.Params[i].Grad)
	}
	for _, b := range batches {
		ce, aux, err := t.accumulate(ctx, b, &s, 1/float64(len(batches)))
		if err != nil {
			return s, fmt.Errorf("step %d: %w", s.Step, err)
		}
		s.CE += ce / float64(s.Targets)
		s.Aux += aux / float64(len(batches))
	}
	s.Loss = s.CE + t.options.AuxCoef*s.Aux
	return s, nil
}

func targets(labels []int32) int {
	n := 0
	for _, label := range labels {
		if label >= 0 {
			n++
		}
	}
	return n
}

// accumulate adds the gradients of one batch, a share of all batches, and returns the sum of its cross entropy and its
// load-balancing loss.
func (t *Trainer) accumulate(ctx context.Context, batch *Batch, s *Stats, share float64) (ce, aux float64, err error) {
	spans, labels, err := t.spans(batch)
	if err != nil || len(spans) == 0 {
		return 0, 0, err
	}
	t.pass.Tape = &t.tape
	if _, err := t.pass.Logits(ctx, spans...); err != nil {
		return 0, 0, err
	}
	b := &t.back
	b.begin()
	dx := b.alloc(len(t.pass.Hidden()))
	defer b.release(0)
	if ce, err = b.head(t.pass, labels, dx, float32(1/float64(s.Targets))); err != nil {
		return 0, 0, err
	}
	aux, b.aux = balance(&t.tape)
	for i := range b.aux {
		b.aux[i] *= float32(t.options.AuxCoef * share)
	}
	var visit func(int, []float32)
	if t.options.Inspect {
		s.Layers = t.inspect()
		visit = func(i int, dx []float32) { s.Layers[i].DOut, _ = magnitude(dx) }
	}
	b.run(dx, visit)
	return ce, aux, ctx.Err()
}

// norm returns the norm of all gradients together. It is an error if that is not a number; it names the last parameter
// to blame, from where the backward pass comes.
func (t *Trainer) norm() (float64, error) {
	total, wrong := 0.0, ""
	for i := range t.Params {
		p := &t.Params[i]
		sum := squares(p.Grad)
		if math.IsNaN(sum) || math.IsInf(sum, 0) {
			wrong = p.Name
		}
		total += sum
	}
	if wrong != "" {
		return 0, fmt.Errorf("%s: the gradient is infinite or NaN; a lower learning rate or clipping may help", wrong)
	}
	return math.Sqrt(total), nil
}

// squares returns the sum of squares of x, added up in fixed blocks.
func squares(x []float32) float64 {
	const block = 1 << 12
	sums := make([]float64, (len(x)+block-1)/block)
	par.For(len(sums), 4, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			var s [4]float64
			part := x[i*block : min((i+1)*block, len(x))]
			for ; len(part) >= 4; part = part[4:] {
				for j := range s {
					s[j] += float64(part[j]) * float64(part[j])
				}
			}
			for _, v := range part {
				s[0] += float64(v) * float64(v)
			}
			sums[i] = s[0] + s[1] + s[2] + s[3]
		}
	})
	total := 0.0
	for _, v := range sums {
		total += v
	}
	return total
}

// Evaluate returns the losses of a batch, without training: CE, Aux, Loss, Tokens and Targets.
func (t *Trainer) Evaluate(ctx context.Context, batch *Batch) (Stats, error) {
	s := Stats{Step: t.Moments.Step}
	spans, labels, err := t.spans(batch)
	if err != nil {
		return s, err
	}
	s.Tokens, s.Targets = len(labels), targets(labels)
	if s.Targets == 0 {
		return s, fmt.Errorf("no token of the batch is to be predicted")
	}
	t.pass.Tape = &t.tape
	if _, err := t.pass.Logits(ctx, spans...); err != nil {
		return s, err
	}
	defer t.back.release(0)
	ce, err := t.back.head(t.pass, labels, nil, 0)
	if err != nil {
		return s, err
	}
	s.CE = ce / float64(s.Targets)
	s.Aux, _ = balance(&t.tape)
	s.Loss = s.CE + t.options.AuxCoef*s.Aux
	if t.options.Inspect {
		s.Layers = t.inspect()
	}
	return s, nil
}

// inspect returns the figures of the tape's layers.
func (t *Trainer) inspect() []LayerStats {
	all := make([]LayerStats, len(t.tape.Layers))
	for i := range all {
		out := t.pass.Hidden()
		if i+1 < len(all) {
			out = t.tape.Layers[i+1].X
		}
		all[i].Out, all[i].OutMax = magnitude(out)
		if m := t.tape.Layers[i].Mamba; m != nil {
			_, all[i].Inner = magnitude(m.DtBC)
		} else {
			a := t.tape.Layers[i].Attention
			_, q := magnitude(a.Q)
			_, k := magnitude(a.K)
			all[i].Inner = max(q, k)
		}
	}
	return all
}

// magnitude returns the root mean square of x and its largest magnitude.
func magnitude(x []float32) (rms, peak float32) {
	for _, v := range x {
		peak = max(peak, v, -v)
	}
	return float32(math.Sqrt(squares(x) / float64(max(1, len(x))))), peak
}
