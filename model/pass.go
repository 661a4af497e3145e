package model

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"jamba/kernel"
	"jamba/model/state"
)

// Pass is the working memory of forward passes. It is reused from one to the next, so that a steady state allocates
// nothing. It is not safe for concurrent use.
type Pass struct {
	// Probe, if set, is handed what a pass computes on the way, [rows, n]. It must not keep or change values.
	Probe func(layer int, what Probe, values []float32)

	// Profile, if set, adds up the time of each operation.
	Profile *Profile

	// Progress, if set, is called after each layer.
	Progress func(layers, total int)

	// Tape, if set, is filled with what the backward pass needs of each pass. All sequences have to be empty before.
	Tape *Tape

	m      *Model
	spans  []span
	rows   int
	x      []float32 // [rows, M]
	logits []float32
	rope   *ropeTable // whose rotations cos and sin hold
	cos    []float32
	sin    []float32
	picks  []Pick
	groups []int
	out    []float32 // [rows, M], what a part of a block adds to x
	low    []float32 // of addLowRank
	delta  []float32
	arena  []float32
	used   int
	err    error // why a layer gave up
	asked  int   // floats of the arena that the pass has asked for
}

// Probe names what a Pass hands to its probe.
type Probe string

// Values for probes. Hidden layer -1 is the embedding, layer i the output of layer i.
const (
	Hidden       Probe = "hidden states"       // [rows, M]
	FinalHidden  Probe = "final hidden states" // [rows, M], after the final norm
	RouterLogits Probe = "router logits"       // [rows, experts]
)

// Want says which tokens of a Span get logits.
type Want int

// The choices for Span.Want.
const (
	LastLogits Want = iota
	AllLogits
	NoLogits
)

// Span is a run of tokens that continues one sequence. A pass over several spans keeps them apart; their States have
// to be different ones.
type Span struct {
	State  *state.State
	Tokens []int32
	Want   Want
}

// span is a Span with the rows [lo, hi) that its tokens take in the pass, and the position of the first.
type span struct {
	Span
	lo, hi, start int
}

// NewPass returns a Pass over m.
func (m *Model) NewPass() *Pass { return &Pass{m: m} }

// Forward appends each span's tokens to its sequence, and returns the logits that the spans want, [rows, vocab] in the
// order of the spans. They are valid until the next call.
//
// It is an error if a token id is outside the vocabulary or a state is broken, before anything is computed. If ctx ends
// or a number comes out infinite or NaN, Forward stops: the error says where, and the states are broken.
func (p *Pass) Forward(ctx context.Context, spans ...Span) ([]float32, error) {
	if err := p.begin(spans); err != nil || p.rows == 0 {
		return nil, err
	}
	logits, err := p.run(ctx)
	for _, s := range p.spans {
		if err != nil {
			s.State.Break()
		} else {
			s.State.Advance(len(s.Tokens))
		}
	}
	return logits, err
}

func (p *Pass) begin(spans []Span) error {
	p.spans, p.rows, p.used, p.rope, p.err = p.spans[:0], 0, 0, nil, nil
	if p.Tape != nil && p.asked > len(p.arena) {
		// What the tape held is collected first, or there would be twice as much; a few rows more find room, too.
		p.Tape.Layers, p.arena, p.cos, p.sin = nil, nil, nil, nil
		debug.FreeOSMemory()
		p.arena = make([]float32, p.asked+p.asked/16)
	}
	p.asked = 0
	for i, s := range spans {
		for _, other := range spans[:i] {
			if s.State == other.State {
				return fmt.Errorf("two spans of a pass continue the same sequence")
			}
		}
		if s.State.Broken() {
			return fmt.Errorf("the sequence's state is unusable after an earlier error; reset it")
		}
		if p.Tape != nil && s.State.Pos() > 0 {
			return fmt.Errorf("a pass with a tape continues a sequence of %d tokens; it has to begin there", s.State.Pos())
		}
		for i, id := range s.Tokens {
			if id < 0 || int(id) >= p.m.Config.VocabSize {
				return fmt.Errorf("token id %d at position %d is outside the vocabulary of %d", id, s.State.Pos()+i, p.m.Config.VocabSize)
			}
		}
		if len(s.Tokens) > 0 {
			p.spans = append(p.spans, span{s, p.rows, p.rows + len(s.Tokens), s.State.Pos()})
			p.rows += len(s.Tokens)
		}
	}
	if p.Tape != nil {
		p.Tape.begin(p)
	}
	return nil
}

func (p *Pass) run(ctx context.Context) ([]float32, error) {
	if p.Profile != nil {
		p.Profile.last = time.Now()
	}
	h := p.m.Config.HiddenSize
	p.x = grow(p.x, p.rows*h)
	for _, s := range p.spans {
		for i, id := range s.Tokens {
			p.m.embed.Row(p.x[(s.lo+i)*h:(s.lo+i+1)*h], int(id))
		}
		if l := p.m.lowRank[&p.m.embed]; l != nil {
			p.addEmbedded(p.x[s.lo*h:s.hi*h], s.Tokens, l)
		}
	}
	p.lap("embed", 0, 0)
	p.probe(-1, Hidden, p.x)
	for i := range p.m.blocks {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p.m.blocks[i].forward(p, i, p.x)
		p.release(0)
		if p.err == nil && !kernel.Finite(p.x) {
			p.err = errNotFinite
		}
		if p.err != nil {
			return nil, fmt.Errorf("layer %d (%v): %w", i, p.m.Config.Layers[i], p.err)
		}
		p.probe(i, Hidden, p.x)
		if p.Progress != nil {
			p.Progress(i+1, len(p.m.blocks))
		}
	}
	return p.head()
}

// head computes the logits of the rows that want them.
func (p *Pass) head() ([]float32, error) {
	h := p.m.Config.HiddenSize
	if p.Probe != nil {
		all := p.alloc(len(p.x))
		kernel.RMSNorm(all, p.x, p.m.finalNorm, p.m.Config.RMSNormEps)
		p.probe(len(p.m.blocks), FinalHidden, all)
		p.release(0)
	}
	wanted := p.alloc(len(p.x))[:0]
	for _, s := range p.spans {
		switch s.Want {
		case AllLogits:
			wanted = append(wanted, p.x[s.lo*h:s.hi*h]...)
		case LastLogits:
			wanted = append(wanted, p.x[(s.hi-1)*h:s.hi*h]...)
		}
	}
	p.logits = grow(p.logits, len(wanted)/h*p.m.Config.VocabSize)
	if len(wanted) == 0 {
		return p.logits, nil
	}
	p.Head(p.logits, wanted, wanted)
	p.lap("lm_head", p.m.lmHead.ReadBytes(), len(p.logits)*h)
	if !kernel.Finite(p.logits) {
		return nil, fmt.Errorf("lm_head: %w", errNotFinite)
	}
	return p.logits, nil
}

// Head computes the end of the network for some rows of Hidden, x [rows, M]: the final norm to h [rows, M], which may be
// x, and the logits [rows, vocab].
func (p *Pass) Head(logits, h, x []float32) {
	kernel.RMSNorm(h, x, p.m.finalNorm, p.m.Config.RMSNormEps)
	kernel.MatMul(logits, h, &p.m.lmHead)
	if l := p.m.lowRank[&p.m.lmHead]; l != nil {
		p.addLowRank(logits, h, l)
	}
}

// Hidden returns the last layer's output for all rows of the last pass, [rows, M]. It is valid until the next.
func (p *Pass) Hidden() []float32 { return p.x }

func (p *Pass) probe(layer int, what Probe, values []float32) {
	if p.Probe != nil {
		p.Probe(layer, what, values)
	}
}

var errNotFinite = errors.New("activations are infinite or NaN; are the weights damaged, or was the learning rate too high?")

// alloc returns n floats of the pass's arena, not cleared, until the release of an earlier mark; with a tape, until the
// next pass.
func (p *Pass) alloc(n int) []float32 {
	p.asked += n
	if p.used+n > len(p.arena) {
		if p.Tape != nil {
			return make([]float32, n) // the next pass begins with an arena that has room for all
		}
		// Slices of the old arena stay valid; the next pass finds the larger one.
		p.arena = make([]float32, 2*len(p.arena)+n)
		p.used = 0
	}
	s := p.arena[p.used : p.used+n : p.used+n]
	p.used += n
	return s
}

func (p *Pass) mark() int { return p.used }

// release frees what was allocated since mark, unless it is on a tape.
func (p *Pass) release(mark int) {
	if p.Tape == nil {
		p.used = min(mark, p.used)
	}
}

// copy returns a copy of x in the arena.
func (p *Pass) copy(x []float32) []float32 {
	c := p.alloc(len(x))
	copy(c, x)
	return c
}

// grow returns s with length n, reallocated if need be; its contents are lost.
func grow(s []float32, n int) []float32 {
	return slices.Grow(s[:0], n)[:n]
}
