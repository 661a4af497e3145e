package bench

import (
	"context"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"time"

	"jamba/internal/kernel/par"
	"jamba/model"
	"jamba/model/state"
	"jamba/train"
	"jamba/train/recipe"
)

//go:embed train.yaml
var trainConfig []byte

// TrainConfig returns the network to measure training with if there is no other: a hybrid of attention, Mamba and MoE of
// 7.1 M parameters, 5.3 M of them active.
func TrainConfig() (model.Config, error) {
	r, err := recipe.Parse(trainConfig, false)
	return r.Config, err
}

// TrainPlan says which steps of training to measure: each combination of its lists.
type TrainPlan struct {
	Batch   []int // sequences of a step
	Seq     []int // tokens of a sequence, one document
	Threads []int
	Reps    int

	// Peer is as in Plan; its work is train.
	Peer func(ctx context.Context, r Result) (float64, error)
}

// RunTraining measures steps of training m, one of model.New or checkpoint.OpenForTraining: forward and backward pass, clipping
// and AdamW, on random tokens. It changes m's weights. Otherwise it is as Run.
//
// The bound of a step is its arithmetic, 3 multiply-adds for each active parameter and token at the float32 peak: a product
// forward, the gradient of its input, that of its weight. Attention's and the scan's own are not counted.
func RunTraining(ctx context.Context, m *model.Model, plan TrainPlan, limits func(Limits), result func(Result)) error {
	defer par.SetThreads(0)
	b := &bench{ctx: ctx, model: m, random: rand.New(rand.NewPCG(1, 2)), peer: plan.Peer}
	for _, threads := range plan.Threads {
		par.SetThreads(threads)
		l, err := MeasureLimits(ctx)
		if err != nil {
			return err
		}
		limits(l)
		for _, batch := range plan.Batch {
			for _, seq := range plan.Seq {
				r := Result{Work: "train", Tokens: seq, Batch: batch, Threads: threads, Limits: l}
				active := float64(m.Sizes().Total().ActiveParams)
				r.Bound = work{float: 3 * active * float64(seq) * float64(batch)}.bound(seq*batch, l)
				known := ResetPeak() // before the trainer, so that what the last one had is not in use
				t, err := b.trainer(&r, nil)
				if err != nil {
					return err
				}
				if _, err := t.step(&r); err != nil { // as in ProfileTraining
					return err
				}
				if err := b.repeat(&r, plan.Reps, known, t.step); err != nil {
					return err
				}
				r.GFLOPS = 6 * active * r.TokPerSec.Median / 1e9
				result(r)
			}
		}
	}
	return nil
}

// ProfileTraining does one step as plan's first entries say, and returns its operations. Those of the backward pass are
// named so.
func ProfileTraining(ctx context.Context, m *model.Model, plan TrainPlan) ([]model.Operation, error) {
	defer par.SetThreads(0)
	par.SetThreads(plan.Threads[0])
	b := &bench{ctx: ctx, model: m, random: rand.New(rand.NewPCG(1, 2))}
	r, p := Result{Work: "train", Tokens: plan.Seq[0], Batch: plan.Batch[0]}, &model.Profile{}
	t, err := b.trainer(&r, p)
	for range 3 { // the second finds all memory in place, the third has it written
		p.Operations = nil
		if err == nil {
			_, err = t.step(&r)
		}
	}
	return p.Operations, err
}

// trainer trains as a result says.
type trainer struct {
	*bench
	*train.Trainer
}

// trainer returns one for r's shape, whose memory it predicts.
func (b *bench) trainer(r *Result, p *model.Profile) (*trainer, error) {
	t, err := train.New(b.model, train.Options{
		Schedule: train.Schedule{Peak: 1e-4}, AdamW: train.DefaultAdamW(), Clip: 1, AuxCoef: 0.001, Profile: p,
	})
	if err != nil {
		return nil, err
	}
	memory := t.Memory(r.Batch, r.Tokens)
	r.Predicted = memory.Total()
	// Gradients and moments are not in use before they are written.
	if need := r.Predicted - memory.Weights; need > 0 {
		if free, known := state.Available(); known && need > free {
			const gib = 1 << 30
			return nil, fmt.Errorf("training with %d sequences of %d tokens needs %.1f GiB of memory beside the weights, %.1f GiB are free",
				r.Batch, r.Tokens, float64(need)/gib, float64(free)/gib)
		}
	}
	return &trainer{b, t}, nil
}

// step does one step and returns its time.
func (t *trainer) step(r *Result) (time.Duration, error) {
	batch := &train.Batch{}
	for range r.Batch {
		tokens := make([]int32, r.Tokens)
		for i := range tokens {
			tokens[i] = t.token()
		}
		batch.Tokens = append(batch.Tokens, tokens)
	}
	start := time.Now()
	_, err := t.Step(t.ctx, batch)
	return time.Since(start), err
}
