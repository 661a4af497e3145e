package main

import (
	"context"
	"io"

	"jamba/model"
	"jamba/model/state"
)

// pipeline is a model in stages, in the order of the layers, and a sequence.
type pipeline []stage

type stage struct {
	opened
	pass  *model.Pass
	state *state.State
}

// open opens the model in the stages that are asked for. After an error, too, those that were opened have to be closed.
func (c *logitsCmd) open(path string, w io.Writer) (p pipeline, err error) {
	o := c.options(w, c.Precision)
	for i := range len(c.SplitAt) + 1 {
		o.Stage = model.Stage{}
		if i > 0 {
			o.Stage.Lo = c.SplitAt[i-1]
		}
		if i < len(c.SplitAt) {
			if o.Stage.Hi = c.SplitAt[i]; o.Stage.Hi <= o.Stage.Lo {
				return p, usageError("--split-at wants layers from 1 on, ascending")
			}
		}
		m, err := open(path, o)
		if err != nil {
			return p, err
		}
		p = append(p, stage{m, m.NewPass(), m.NewState()})
	}
	return p, nil
}

func (p pipeline) close() {
	for _, s := range p {
		s.Close()
	}
}

func (p pipeline) models() (all []opened) {
	for _, s := range p {
		all = append(all, s.opened)
	}
	return all
}

// specs says what the sequence remembers, layer by layer.
func (p pipeline) specs() (all []state.Spec) {
	for _, s := range p {
		all = append(all, s.StateSpecs()...)
	}
	return all
}

// logits appends ids to the sequence and returns the logits of each, [ids, vocab], valid until the next call.
func (p pipeline) logits(ctx context.Context, ids []int32) ([]float32, error) {
	span := model.Span{Tokens: ids, Want: model.AllLogits}
	var r model.Result
	for _, s := range p {
		span.State = s.state
		if r = s.pass.Forward(ctx, span)[0]; r.Err != nil {
			return nil, r.Err
		}
		span.Tokens, span.Hidden = nil, r.Hidden
	}
	return r.Logits, nil
}
