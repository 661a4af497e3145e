package grammar

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Matcher holds an answer to a grammar. It is a Preparer of the engine, which calls it for one answer.
type Matcher struct {
	grammar *Grammar
	answer  []int32       // that Prepare was called for
	ready   chan struct{} // closed when that is done

	// Of the goroutine that is at it, then of Next.
	position *position
	mask     []uint32 // a bit for each token that may follow
	err      error
}

// position is an answer's in an instance.
type position struct{ handle uint32 }

// Matcher returns a matcher at the beginning of an answer. Close gives it up, and the grammar with it.
func (g *Grammar) Matcher() *Matcher {
	m := &Matcher{grammar: g, mask: make([]uint32, g.vocabulary.words())}
	m.begin(nil)
	return m
}

// Prepare begins to compute what may follow an answer.
func (m *Matcher) Prepare(answer []int32) <-chan struct{} {
	if !slices.Equal(answer, m.answer) {
		m.begin(answer)
	}
	return m.ready
}

// begin computes what may follow an answer, from that before if it goes on with it.
func (m *Matcher) begin(answer []int32) {
	known := len(m.answer)
	anew := known > len(answer) || !slices.Equal(answer[:known], m.answer) // some were taken back
	if anew {
		known = 0
	}
	tokens, before, ready := slices.Clone(answer[known:]), m.ready, make(chan struct{})
	m.answer, m.ready = append(m.answer[:known], tokens...), ready
	go func() {
		defer close(ready)
		if before != nil {
			<-before
		}
		if anew {
			m.grammar.release(m.position)
			m.position, m.err = nil, nil
		}
		if m.err == nil {
			m.position, m.err = m.grammar.advance(m.position, tokens, m.mask)
		}
	}()
}

// Next forbids the tokens that the grammar does not allow.
func (m *Matcher) Next(answer []int32, logits []float32) (forced []int32, back int, err error) {
	<-m.Prepare(answer)
	if m.err != nil {
		return nil, 0, fmt.Errorf("the answer's %v: %w", m.grammar.format, m.grammar.format.placed(m.err))
	}
	for i := range logits {
		if i/32 >= len(m.mask) || m.mask[i/32]>>(i%32)&1 == 0 {
			logits[i] = float32(math.Inf(-1))
		}
	}
	return nil, 0, nil
}

// Close gives up the matcher and its grammar.
func (m *Matcher) Close() {
	go func() {
		<-m.ready
		m.grammar.release(m.position)
		m.grammar.Close()
	}()
}

// advance goes on from a position, nil being the beginning, by further tokens and writes to mask what may follow.
func (in *instance) advance(ctx context.Context, at *position, tokens []int32, mask []uint32) (*position, error) {
	if at == nil {
		handle, err := in.call(ctx, "matcher")
		if err != nil {
			return nil, err
		}
		at = &position{handle}
	}
	buffer, err := in.buffer(ctx, uint32(4*max(len(tokens), len(mask))))
	if err != nil {
		return at, err
	}
	for i, id := range tokens {
		binary.LittleEndian.PutUint32(buffer[4*i:], uint32(id))
	}
	if err := in.do(ctx, "advance", uint64(at.handle), uint64(len(tokens))); err != nil {
		return at, err
	}
	if buffer, err = in.buffer(ctx, uint32(4*len(mask))); err != nil {
		return at, err
	}
	for i := range mask {
		mask[i] = binary.LittleEndian.Uint32(buffer[4*i:])
	}
	return at, nil
}
