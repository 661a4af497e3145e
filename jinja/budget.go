package jinja

import (
	"math"
	"strings"
)

// budget is what a rendering may spend; nothing in this package that takes more than a constant time or space gets round
// it. Work is paid where it is done:
//   - each expression, statement and item gone through is a step, which also covers a few hundred bytes of scratch;
//   - each operator, filter, test, function and method pays for all texts among its operands before it runs (see run), so
//     that one that reads them a fixed number of times owes nothing more;
//   - texts are built in a [buffer] and lists by a [gatherer] or after allocTimes, which pay before they take memory;
//   - what costs more than that (digits, tables of case, hashing of tuples) says so where it happens.
//
// Memory is counted as it is taken and, but for the variables of scopes, not given back: nobody counts what is still in
// use. So the bound of it is also one of what a rendering holds.
type budget struct {
	steps, memory int // spent
	limits        struct{ steps, memory, output int }
}

// Defaults of a rendering's limits: a base, and more for each byte of the variables, since honest templates go through
// them a few times.
const (
	baseSteps, stepsPerByte   = 5_000_000, 8
	baseMemory, memoryPerByte = 64 << 20, 64
	baseOutput, outputPerByte = 16 << 20, 8
)

// newBudget sets the limits for variables of a size.
func newBudget(o Options, size int) budget {
	limit := func(asked, base, perByte int) int {
		if asked > 0 {
			return asked
		}
		return base + perByte*size
	}
	var b budget
	b.limits.steps = limit(o.Steps, baseSteps, stepsPerByte)
	b.limits.memory = limit(o.Memory, baseMemory, memoryPerByte)
	b.limits.output = limit(o.Output, baseOutput, outputPerByte)
	return b
}

// maxSize bounds what sizeOf counts, so that limits do not overflow.
const maxSize = 1 << 30

// sizeOf is about how many bytes a variable has.
func sizeOf(v any) int {
	n := 0
	addSize(&n, v, 0)
	return n
}

func addSize(n *int, v any, depth int) {
	if *n += valueSize; *n > maxSize || depth > maxDepth {
		return
	}
	switch v := v.(type) {
	case string:
		*n = min(*n+len(v), maxSize)
	case *List:
		for _, x := range v.items {
			addSize(n, x, depth+1)
		}
	case *Dict:
		for i, k := range v.keys {
			addSize(n, k, depth+1)
			addSize(n, v.vals[i], depth+1)
		}
	}
}

// step spends n steps.
func (b *budget) step(n int) error {
	if n > b.limits.steps-b.steps {
		return failf(kindLimit, "rendering takes more than %d steps", b.limits.steps)
	}
	b.steps += n
	return nil
}

// bytesPerStep is how much text is gone through in a step.
const bytesPerStep = 16

// work spends the steps of going through n bytes.
func (b *budget) work(n int) error { return b.step(n/bytesPerStep + 1) }

// read spends the steps of going through the texts and long numbers among operands.
func (b *budget) read(operands ...any) error {
	n := 0
	for _, v := range operands {
		n += textLen(v)
	}
	return b.step(n / bytesPerStep)
}

// alloc spends n bytes about to be taken, and the steps of filling them.
func (b *budget) alloc(n int) error {
	if err := b.hold(n); err != nil {
		return err
	}
	return b.step(n / 64)
}

// hold spends n bytes until they are released.
func (b *budget) hold(n int) error {
	if n > b.limits.memory-b.memory {
		return failf(kindLimit, "rendering takes more than %d bytes of memory", b.limits.memory)
	}
	b.memory += n
	return nil
}

func (b *budget) release(n int) { b.memory -= n }

// allocTimes spends count pieces of size bytes each.
func (b *budget) allocTimes(size, count int) error {
	if size > 0 && count > math.MaxInt/size {
		return b.alloc(math.MaxInt)
	}
	return b.alloc(size * max(count, 0))
}

// run is the one way to run a filter or a test: it pays for the operands.
func (c *state) run(f filterFunc, v any, a args) (any, error) {
	if err := c.readArgs(v, a); err != nil {
		return nil, err
	}
	return f(c, v, a)
}

// readArgs is read for an object and the arguments of a call.
func (b *budget) readArgs(v any, a args) error {
	n := textLen(v)
	for _, x := range a.pos {
		n += textLen(x)
	}
	for _, k := range a.kw {
		n += textLen(k.val)
	}
	return b.step(1 + len(a.pos) + len(a.kw) + n/bytesPerStep)
}

// buffer builds a text; top is the output of the whole template.
type buffer struct {
	strings.Builder
	top bool
}

// write adds s to a buffer.
func (b *budget) write(out *buffer, s string) error {
	if out.top && len(s) > b.limits.output-out.Len() {
		return failf(kindLimit, "the output is larger than %d bytes", b.limits.output)
	}
	if err := b.work(len(s) / 4); err != nil {
		return err
	}
	if len(s) > out.Cap()-out.Len() {
		// What Grow makes: twice as much as before and the new.
		if err := b.alloc(2*out.Cap() + len(s)); err != nil {
			return err
		}
		out.Grow(len(s))
	}
	out.WriteString(s)
	return nil
}

// gatherer builds a list.
type gatherer struct {
	b     *budget
	items []any
}

// add appends an item.
func (g *gatherer) add(v any) error {
	if len(g.items) == cap(g.items) {
		n := max(4, 2*len(g.items))
		if err := g.b.allocTimes(valueSize, n); err != nil {
			return err
		}
		g.items = append(make([]any, 0, n), g.items...)
	}
	g.items = append(g.items, v)
	return nil
}

// Sizes in memory: of a value in a list, of a text's header or a number that a value points to, of a tuple of two, of
// a key with its value in a dict and in its index, and of an empty dict.
const (
	valueSize = 16
	boxSize   = 16
	pairSize  = 64
	entrySize = 160
	dictSize  = 320
)
