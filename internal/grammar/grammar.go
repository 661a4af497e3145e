package grammar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Grammar is a format compiled for a vocabulary, in an instance of its own: what one costs is not at the cost of others.
type Grammar struct {
	format     Format
	vocabulary *Vocabulary
	compiled   chan struct{} // closed when it is, or err set
	err        error
	users      int // matchers, and the vocabulary while it keeps it; of vocabulary.mu

	mu       sync.Mutex // of instance
	instance *instance
}

// Compile compiles a format, unless it was not long ago. Its errors are the format's own, or ctx's. Give the grammar up with Close.
func (v *Vocabulary) Compile(ctx context.Context, f Format) (*Grammar, error) {
	v.mu.Lock()
	i := slices.IndexFunc(v.recent, func(g *Grammar) bool { return g.format == f })
	if i < 0 {
		g := &Grammar{format: f, vocabulary: v, compiled: make(chan struct{}), users: 1}
		go g.compile()
		v.recent = append(v.recent, g)
		i = len(v.recent) - 1
	}
	g := v.recent[i]
	v.recent = slices.Insert(slices.Delete(v.recent, i, i+1), 0, g)
	g.users++
	v.trim(idle)
	v.mu.Unlock()
	select {
	case <-g.compiled:
	case <-ctx.Done():
		g.Close()
		return nil, ctx.Err()
	}
	if g.err != nil {
		g.Close()
		return nil, fmt.Errorf("the %v: %w", f, g.err)
	}
	return g, nil
}

// trim forgets grammars that nobody uses, the least recently used first, until n are kept.
func (v *Vocabulary) trim(n int) {
	for i := len(v.recent) - 1; i >= 0 && len(v.recent) > n; i-- {
		if g := v.recent[i]; g.users == 1 {
			v.recent = slices.Delete(v.recent, i, i+1)
			g.give()
		}
	}
}

// Close gives back what is kept for later answers; those on their way go on.
func (v *Vocabulary) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, g := range v.recent {
		g.give()
	}
	v.recent = nil
}

// unwanted forgets a grammar if those who asked for it have gone before it was compiled, and reports whether they have.
func (v *Vocabulary) unwanted(g *Grammar) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	i := slices.Index(v.recent, g)
	if i >= 0 && g.users == 1 {
		v.recent = slices.Delete(v.recent, i, i+1)
		g.give()
	}
	return g.users == 0
}

// forget lets later answers have a new grammar.
func (v *Vocabulary) forget(g *Grammar) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if i := slices.Index(v.recent, g); i >= 0 {
		v.recent = slices.Delete(v.recent, i, i+1)
		g.give()
	}
}

// Close gives a grammar up that Compile has given.
func (g *Grammar) Close() {
	g.vocabulary.mu.Lock()
	defer g.vocabulary.mu.Unlock()
	g.give()
}

// give ends a use; vocabulary.mu is locked.
func (g *Grammar) give() {
	if g.users--; g.users > 0 {
		return
	}
	select {
	case <-g.compiled:
		g.end()
	default:
		go func() {
			<-g.compiled
			g.end()
		}()
	}
}

// end gives back the memory of a grammar that nobody uses.
func (g *Grammar) end() {
	if g.instance != nil {
		g.instance.close()
	}
}

// compile makes the grammar's instance.
func (g *Grammar) compile() {
	defer close(g.compiled)
	v := g.vocabulary
	v.compiling <- struct{}{}
	defer func() { <-v.compiling }()
	if v.unwanted(g) {
		g.err = context.Canceled
		return
	}
	if g.err = g.start(); errors.Is(g.err, ErrBusy) {
		// Perhaps others have it that nobody uses.
		v.mu.Lock()
		v.trim(0)
		v.mu.Unlock()
		g.err = g.start()
	}
	if g.err != nil {
		v.forget(g)
	}
}

func (g *Grammar) start() error {
	v := g.vocabulary
	text, err := g.format.serialize(v.space)
	if err != nil {
		return err
	}
	in, err := v.module.instantiate(&v.budget, v.image)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	buffer, err := in.buffer(ctx, uint32(len(text)))
	if err == nil {
		copy(buffer, text)
		err = in.do(ctx, "compile", uint64(len(text)), initialFuel, stepFuel, stepItems, lexerStates, grammarSize)
	}
	if err == nil { // does it allow anything?
		_, err = in.advance(ctx, nil, nil, make([]uint32, v.words()))
	}
	if err != nil {
		in.close()
		return g.format.placed(err)
	}
	g.instance = in
	return nil
}

// advance does so in the grammar's instance.
func (g *Grammar) advance(at *position, tokens []int32, mask []uint32) (*position, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	at, err := g.instance.advance(ctx, at, tokens, mask)
	if err != nil || len(g.instance.memory.bytes) > len(g.vocabulary.image)+oneMemory/2 {
		g.vocabulary.forget(g) // what it has learnt of texts has grown large; answers on their way may end
	}
	return at, err
}

// release gives up a position.
func (g *Grammar) release(at *position) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if at != nil && g.instance.err == nil {
		_, _ = g.instance.call(context.Background(), "release", uint64(at.handle)) // the next call has the error
	}
}
