package model

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"jamba/internal/kernel"
	"jamba/model/state"
)

// Pass is the working memory of forward passes. It is reused from one to the next, so that a steady state allocates
// nothing. It is not safe for concurrent use.
type Pass struct {
	// Probe, if set, is handed what a pass computes on the way, [rows, n]. It must not keep or change values.
	Probe func(layer int, what Probe, values []float32)

	// Profile, if set, adds up the time of each operation.
	Profile *Profile

	// Routing, if set, counts what the experts are chosen for.
	Routing *Routing

	// Progress, if set, is called after each layer of the model's stage.
	Progress func(layers, total int)

	// Tape, if set, is filled with what the backward pass needs of each pass. All sequences have to be empty before.
	Tape *Tape

	m         *Model
	spans     []span
	results   []Result
	rows      int
	stretches []stretch // of the rows
	x         []float32 // [rows, M]
	logits    []float32

	// Lists of what mixers do for each span, and the cuts that they refer to.
	convs              []kernel.Conv
	scans              []kernel.Scan
	attends            []kernel.Attention
	convCuts, scanCuts []kernel.Cut

	rope *ropeTable // whose rotations cos and sin hold
	cos  []float32
	sin  []float32

	// Lists of what runs as one region.
	products []kernel.Projection
	linears  []linear
	gated    []gated

	picks    []Pick
	groups   []int // picks by expert, see moe.group
	ends     []int
	from     []int // the rows of those that moe.compute is at, and their experts' weights
	weights  []float32
	gathered []stretch
	out      []float32 // [rows, M], what a part of a block adds to x
	low      []float32 // of addLowRank
	delta    []float32
	arena    []float32
	used     int
	peak     int // floats of the arena that passes had in use at a time, at most
}

// Probe names what a Pass hands to its probe.
type Probe string

// Values for probes. Hidden layer -1 is the embedding, layer i the output of layer i.
const (
	Hidden       Probe = "hidden states"       // [rows, M]
	FinalHidden  Probe = "final hidden states" // [rows, M], after the final norm
	RouterLogits Probe = "router logits"       // [rows, experts]
)

// Want says what a Span gets of its tokens.
type Want int

// The choices for Span.Want.
const (
	LastLogits Want = iota
	AllLogits
	NoLogits
	LastHidden // the final hidden states, after the final norm, instead of logits
	AllHidden
)

// Span is a run of tokens that continues one sequence. A pass over several spans keeps them apart; their States have
// to be different ones.
type Span struct {
	Context context.Context // ends this span alone; nil: it ends with the pass
	State   *state.State
	Tokens  []int32
	Hidden  []float32 // [rows, M], instead of Tokens: what the Stage before this one made of them
	Want    Want
	Adapter *Adapter // to compute with, the same for all of a sequence; nil: that of the model, if it has one
	Keep    []int    // positions of the sequence, ascending, at which a Fork of its state is kept; see Result.Kept
}

// Result is what became of a Span.
type Result struct {
	Logits []float32      // [wanted rows, vocab], valid until the next pass
	Hidden []float32      // [wanted rows, M], valid until the next pass; from a Stage before the last [all rows, M], before any norm
	Kept   []*state.State // the Forks at Span.Keep, which the caller frees
	Err    error          // why there is nothing of these; the State is as it was before
}

// span is a Span with the rows [lo, hi) that its tokens take in the pass, and the position of the first.
type span struct {
	Span
	number        int // among the pass's Spans
	lo, hi, start int
	failing       error // in the layer at hand
	err           error
}

// NewPass returns a Pass over m.
func (m *Model) NewPass() *Pass { return &Pass{m: m} }

// Forward appends each span's tokens to its sequence and returns what became of each span, in their order, valid until the
// next call.
//
// It has three phases. All memory that the sequences need is reserved; a span for which there is too little, whose state is
// used twice, whose tokens are outside the vocabulary or whose input is that of another Stage fails. Then all others are
// computed, which takes no memory for sequences. A span whose context ends, whose keys or values are too large for their type or whose numbers come out
// infinite or NaN fails; the others' numbers are those that they have without it, bit for bit. At last what was reserved
// is committed, or rolled back for the spans that failed: their sequences are as they were. If ctx ends, all spans fail.
func (p *Pass) Forward(ctx context.Context, spans ...Span) []Result {
	p.results = slices.Grow(p.results[:0], len(spans))[:len(spans)]
	clear(p.results)
	p.begin(spans)
	if p.rows > 0 {
		p.run(ctx)
	}
	for i := range p.spans {
		s := &p.spans[i]
		r := &p.results[s.number]
		if r.Err = s.err; r.Err == nil {
			r.Kept = s.State.Commit()
			continue
		}
		s.State.Rollback()
		*r = Result{Err: s.err}
	}
	return p.results
}

// Logits is Forward for spans that belong together: it returns the logits that they want one after the other,
// [rows, vocab], or the first span's error.
func (p *Pass) Logits(ctx context.Context, spans ...Span) ([]float32, error) {
	for _, r := range p.Forward(ctx, spans...) {
		if r.Err != nil {
			return nil, r.Err
		}
	}
	return p.logits, nil
}

// begin reserves memory and lays out the rows.
func (p *Pass) begin(spans []Span) {
	p.spans, p.rows, p.used, p.rope = p.spans[:0], 0, 0, nil
	p.logits = p.logits[:0]
	if p.Tape != nil && p.peak > len(p.arena) {
		// What the tape held is collected first, or there would be twice as much; a few rows more find room, too.
		p.Tape.Layers, p.arena, p.cos, p.sin = nil, nil, nil, nil
		debug.FreeOSMemory()
		p.arena = make([]float32, p.peak+p.peak/16)
	}
	for i, s := range spans {
		if err := p.reserve(&s, spans[:i]); err != nil {
			p.results[i].Err = err
			continue
		}
		if n := p.rowsOf(&s); n > 0 {
			p.spans = append(p.spans, span{Span: s, number: i, lo: p.rows, hi: p.rows + n, start: s.State.Pos()})
			p.rows += n
		}
	}
	// Room for all of the pass at once: what grew would leave its smaller forms as garbage.
	if need := max(p.peak, int(p.m.Config.arenaFloats(p.rows, 0))); p.Tape == nil && need > len(p.arena) {
		p.arena = nil
		p.arena = make([]float32, need)
	}
	p.layOut()
	if p.Tape != nil {
		p.Tape.begin(p)
	}
}

// reserve checks a span and takes the memory for it.
func (p *Pass) reserve(s *Span, others []Span) error {
	for _, other := range others {
		if s.State == other.State {
			return errors.New("two spans of a pass continue the same sequence")
		}
	}
	if p.Tape != nil && s.State.Pos() > 0 {
		return fmt.Errorf("a pass with a tape continues a sequence of %d tokens; it has to begin there", s.State.Pos())
	}
	switch {
	case s.Adapter == nil:
		s.Adapter = p.m.attached
	case s.Adapter.model != p.m:
		return errors.New("the adapter of a span is for another model")
	case p.Tape != nil:
		return errors.New("a pass with a tape computes with the model's own adapter; none can be chosen")
	}
	switch h := p.m.Config.HiddenSize; {
	case p.m.embeds() && len(s.Hidden) > 0:
		return errors.New("a span has hidden states; the stage with the first layer takes tokens")
	case !p.m.embeds() && len(s.Tokens) > 0:
		return fmt.Errorf("a span has tokens; the stage that begins with layer %d takes hidden states", p.m.stage.Lo)
	case len(s.Hidden)%h != 0:
		return fmt.Errorf("a span has %d values of hidden states, which are no rows of %d", len(s.Hidden), h)
	}
	for i, id := range s.Tokens {
		if id < 0 || int(id) >= p.m.Config.VocabSize {
			return fmt.Errorf("token id %d at position %d is outside the vocabulary of %d", id, s.State.Pos()+i, p.m.Config.VocabSize)
		}
	}
	n := p.rowsOf(s)
	if n == 0 {
		return nil
	}
	return s.State.Reserve(n, s.Keep)
}

// rowsOf returns how many rows a span has.
func (p *Pass) rowsOf(s *Span) int { return len(s.Tokens) + len(s.Hidden)/p.m.Config.HiddenSize }

func (p *Pass) run(ctx context.Context) {
	if p.Profile != nil {
		p.Profile.last = time.Now()
	}
	p.input()
	for i := p.m.stage.Lo; i < p.m.stage.Hi; i++ {
		if !p.alive(ctx) {
			return
		}
		p.m.blocks[i].forward(p, i)
		p.release(0)
		p.check(i)
		p.probe(i, Hidden, p.x)
		if p.Progress != nil {
			p.Progress(i+1-p.m.stage.Lo, p.m.stage.Hi-p.m.stage.Lo)
		}
	}
	switch {
	case !p.alive(ctx):
	case p.m.ends():
		p.head()
	default:
		h := p.m.Config.HiddenSize
		for i := range p.spans {
			s := &p.spans[i]
			p.results[s.number].Hidden = p.x[s.lo*h : s.hi*h : s.hi*h]
		}
	}
}

// input brings what goes into the first layer to p.x.
func (p *Pass) input() {
	h := p.m.Config.HiddenSize
	p.x = grow(p.x, p.rows*h)
	for i := range p.spans {
		s := &p.spans[i]
		copy(p.x[s.lo*h:s.hi*h], s.Hidden)
		embed := &p.m.embed
		if s.Adapter != nil && s.Adapter.embed != nil {
			embed = s.Adapter.embed
		}
		for i, id := range s.Tokens {
			embed.Row(p.x[(s.lo+i)*h:(s.lo+i+1)*h], int(id))
		}
		if l := s.Adapter.of(&p.m.embed); l != nil {
			p.addEmbedded(p.x[s.lo*h:s.hi*h], s.Tokens, l)
		}
	}
	p.lap("embed", 0, 0)
	p.probe(p.m.stage.Lo-1, Hidden, p.x)
}

// alive fails the spans whose context, or that of the pass, has ended, and reports whether any is left.
func (p *Pass) alive(ctx context.Context) bool {
	any := false
	all := ctx.Err()
	for i := range p.spans {
		s := &p.spans[i]
		err := all
		if err == nil && s.Context != nil {
			err = s.Context.Err()
		}
		if err != nil && s.err == nil {
			p.fail(s, err)
		}
		any = any || s.err == nil
	}
	return any
}

// fail makes an end of a span. Its rows go on as zeroes, so that they are no trouble to the kernels.
func (p *Pass) fail(s *span, err error) {
	s.err = err
	h := p.m.Config.HiddenSize
	clear(p.x[s.lo*h : s.hi*h])
}

// check fails the spans to which something happened within a layer, and those with numbers that are none.
func (p *Pass) check(layer int) {
	h := p.m.Config.HiddenSize
	finite := kernel.Finite(p.x)
	for i := range p.spans {
		s := &p.spans[i]
		rows := p.x[s.lo*h : s.hi*h]
		if s.failing == nil && !finite && !kernel.Finite(rows) {
			s.failing = ErrNotFinite
		}
		switch {
		case s.err != nil:
			clear(rows)
		case s.failing != nil:
			p.fail(s, fmt.Errorf("layer %d (%v): %w", layer, p.m.Config.Layers[layer], s.failing))
		}
	}
}

// wanted returns the rows [lo, hi) of what a span wants.
func (s *span) wanted() (lo, hi int) {
	switch s.Want {
	case AllLogits, AllHidden:
		return s.lo, s.hi
	case LastLogits, LastHidden:
		return max(s.lo, s.hi-1), s.hi
	}
	return s.hi, s.hi
}

func (w Want) logits() bool { return w == LastLogits || w == AllLogits }

// keepsRows reports whether all rows are needed to the end.
func (p *Pass) keepsRows() bool { return p.Tape != nil || p.Probe != nil }

// drop leaves only the rows that are wanted.
func (p *Pass) drop() {
	h := p.m.Config.HiddenSize
	rows := 0
	for i := range p.spans {
		s := &p.spans[i]
		lo, hi := s.wanted()
		copy(p.x[rows*h:], p.x[lo*h:hi*h])
		s.lo, s.hi = rows, rows+hi-lo
		rows = s.hi
	}
	p.rows, p.x = rows, p.x[:rows*h]
	p.layOut()
}

// head computes what the spans want.
func (p *Pass) head() {
	h, vocab := p.m.Config.HiddenSize, p.m.Config.VocabSize
	if p.Probe != nil {
		all := p.alloc(len(p.x))
		kernel.RMSNorm(all, p.x, p.m.finalNorm, p.m.Config.RMSNormEps)
		p.probe(len(p.m.blocks), FinalHidden, all)
		p.release(0)
	}
	// The rows that want logits come first.
	rows := p.alloc(len(p.x))[:0]
	p.stretches = p.stretches[:0]
	for _, logits := range []bool{true, false} {
		for i := range p.spans {
			if s := &p.spans[i]; s.Want.logits() == logits {
				lo, hi := s.wanted()
				rows = append(rows, p.x[lo*h:hi*h]...)
				if logits {
					p.stretches = extend(p.stretches, s.Adapter, hi-lo)
				}
			}
		}
		if logits {
			p.logits = grow(p.logits, len(rows)/h*vocab)
		}
	}
	if len(rows) == 0 {
		return
	}
	kernel.RMSNorm(rows, rows, p.m.finalNorm, p.m.Config.RMSNormEps)
	n := len(p.logits) / vocab * h
	if n > 0 {
		p.vocabulary(p.logits, rows[:n])
	}
	p.lap("lm_head", p.m.lmHead.ReadBytes(), len(p.logits)*h)
	logits, hidden := p.logits, rows[n:]
	for i := range p.spans {
		s := &p.spans[i]
		lo, hi := s.wanted()
		var part []float32
		if r := &p.results[s.number]; s.Want.logits() {
			part, logits = split(logits, (hi-lo)*vocab)
			r.Logits = part
		} else {
			part, hidden = split(hidden, (hi-lo)*h)
			r.Hidden = part
		}
		if s.err == nil && !kernel.Finite(part) {
			s.err = fmt.Errorf("lm_head: %w", ErrNotFinite)
		}
	}
}

func split(x []float32, n int) (first, rest []float32) { return x[:n:n], x[n:] }

// Head computes the end of the network for some rows of Hidden, x [rows, M]: the final norm to h [rows, M], which may be
// x, and the logits [rows, vocab].
func (p *Pass) Head(logits, h, x []float32) {
	p.stretches = extend(p.stretches[:0], p.m.attached, len(x)/p.m.Config.HiddenSize)
	kernel.RMSNorm(h, x, p.m.finalNorm, p.m.Config.RMSNormEps)
	p.vocabulary(logits, h)
}

// vocabulary computes the logits of rows of final hidden states, with what their adapters add.
func (p *Pass) vocabulary(logits, h []float32) {
	w := &p.m.lmHead
	for i := 0; i < len(p.stretches); {
		// Rows that have the model's own head are multiplied together.
		lo, head, first := p.stretches[i].lo, p.stretches[i].adapter.ownHead(), i
		for i < len(p.stretches) && (i == first || head == nil && p.stretches[i].adapter.ownHead() == nil) {
			i++
		}
		hi := p.stretches[i-1].hi
		if head == nil {
			head = w
		}
		kernel.MatMul(logits[lo*w.N:hi*w.N], h[lo*w.K:hi*w.K], head)
	}
	p.adapt(&linear{out: logits, x: h, w: w, stretches: p.stretches})
}

// Hidden returns the last layer's output for all rows of the last pass, [rows, M], if that had a tape. It is valid until the
// next.
func (p *Pass) Hidden() []float32 { return p.x }

func (p *Pass) probe(layer int, what Probe, values []float32) {
	if p.Probe != nil {
		p.Probe(layer, what, values)
	}
}

// ErrNotFinite is what a span fails with, wrapped, if its numbers come out infinite or NaN.
var ErrNotFinite = errors.New("activations are infinite or NaN; are the weights damaged, or was the learning rate too high?")

// alloc returns n floats of the pass's arena, not cleared, until the release of an earlier mark; with a tape, until the
// next pass.
func (p *Pass) alloc(n int) []float32 {
	at := p.used
	p.used += n
	p.peak = max(p.peak, p.used)
	switch {
	case p.used <= len(p.arena):
	case p.Tape != nil:
		return make([]float32, n) // the next pass begins with an arena that has room for all
	default: // an expert has more than its share of the rows; slices of the old arena stay valid
		p.arena = make([]float32, p.used+p.used/8)
	}
	return p.arena[at:p.used:p.used]
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
