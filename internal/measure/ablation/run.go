package ablation

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"jamba/model"
	"jamba/train"
)

// Run is one training of one model.
type Run struct {
	Model        string     `json:"model"`
	Seed         uint64     `json:"seed"`
	ParamsTotal  int64      `json:"params_total"`
	ParamsActive int64      `json:"params_active"`
	Steps        int        `json:"steps"`
	Tokens       int64      `json:"tokens"`
	FirstLoss    float64    `json:"first_loss"` // before the first update, in nats
	Curve        []Loss     `json:"curve"`      // of training
	Loss         float64    `json:"loss"`       // of the tests in the end
	Accuracy     []Accuracy `json:"accuracy,omitempty"`
	Seconds      float64    `json:"seconds"`
}

// Loss is the mean over some steps up to one.
type Loss struct {
	Step int     `json:"step"`
	Loss float64 `json:"loss"`
}

// Accuracy is how many answers at one place of the task's axis were right: the most likely token is the label.
type Accuracy struct {
	At    int `json:"at"`
	Right int `json:"right"`
	Of    int `json:"of"`
}

// Share is the part of answers that were right.
func (a Accuracy) Share() float64 { return float64(a.Right) / float64(max(1, a.Of)) }

// points is how many losses a curve has at most.
const points = 100

// train trains a model from a seed. Batches depend on the seed and not on the model. progress is told each step.
func (e *Experiment) train(ctx context.Context, m Model, seed uint64, progress func(step int, loss float64)) (*Run, error) {
	network, err := model.New(m.Config, seed, model.InitializerRange)
	if err != nil {
		return nil, err
	}
	total := network.Sizes().Total()
	run := &Run{Model: m.Name, Seed: seed, ParamsTotal: total.Params, ParamsActive: total.ActiveParams, Steps: e.Steps}
	initialize(network, e.Init)
	trainer, err := train.New(network, *e.options(e.Steps))
	if err != nil {
		return nil, err
	}
	begin, r := time.Now(), rand.New(rand.NewPCG(seed, 0))
	sum, n := 0.0, 0
	for step := range e.Steps {
		s, err := trainer.Step(ctx, e.Task.batch(r, e.Batch))
		if err != nil {
			return nil, err
		}
		if step == 0 {
			run.FirstLoss = s.CE
		}
		run.Tokens += int64(s.Tokens)
		sum, n = sum+s.CE, n+1
		if last := step + 1; last == e.Steps || last*points/e.Steps > step*points/e.Steps {
			run.Curve = append(run.Curve, Loss{last, sum / float64(n)})
			sum, n = 0, 0
		}
		progress(step+1, s.CE)
	}
	if err := e.judge(ctx, network, run); err != nil {
		return nil, err
	}
	run.Seconds = time.Since(begin).Seconds()
	return run, nil
}

// judge lets a model predict the labels of the tests.
func (e *Experiment) judge(ctx context.Context, m *model.Model, run *Run) error {
	tests, pass := e.Task.test(), m.NewPass()
	sum, n, right := 0.0, 0, map[int]*Accuracy{}
	var order []int
	for i, tokens := range tests.Tokens {
		logits, err := pass.Logits(ctx, model.Span{State: m.NewState(), Tokens: tokens, Want: model.AllLogits})
		if err != nil {
			return err
		}
		for at := 1; at < len(tokens); at++ {
			label := tokens[at]
			if tests.Labels != nil {
				label = tests.Labels[i][at]
			}
			if label == train.Ignore {
				continue
			}
			row := logits[(at-1)*m.Config.VocabSize : at*m.Config.VocabSize]
			loss, best := crossEntropy(row, label)
			sum, n = sum+loss, n+1
			if e.Task.axis() == "" {
				continue
			}
			where := e.Task.at(i)
			if right[where] == nil {
				right[where] = &Accuracy{At: where}
				order = append(order, where)
			}
			right[where].Of++
			if best == label {
				right[where].Right++
			}
		}
	}
	if n == 0 {
		return fmt.Errorf("the tests ask for nothing")
	}
	run.Loss = sum / float64(n)
	run.Accuracy = accuracies(order, right)
	return nil
}

// crossEntropy returns the loss of a label in nats, and the most likely token.
func crossEntropy(logits []float32, label int32) (loss float64, best int32) {
	sum := 0.0
	for i, v := range logits {
		if v > logits[best] {
			best = int32(i)
		}
		sum += math.Exp(float64(v))
	}
	return math.Log(sum) - float64(logits[label]), best
}
