package model

import (
	"context"
	"fmt"

	"jamba/model/param"
	"jamba/tensor"
)

// Choice says which type a matrix of the network, whose rows have k values, is rounded to, and why if that is not the usual
// one; Invalid: it stays as it is.
type Choice func(id param.ID, k int) (d tensor.DType, note string)

// Conversion says what became of a tensor.
type Conversion struct {
	Name          string
	Shape         []int
	From, To      tensor.DType
	Before, After int64 // bytes
	Kept          bool  // it is none that is rounded: a norm, a router, …
	Note          string
}

// Values returns the number of the tensor's values.
func (c *Conversion) Values() int64 {
	n := int64(1)
	for _, d := range c.Shape {
		n *= int64(d)
	}
	return n
}

// Round rounds the network's large matrices, and frees what they were rounded from; Rounded tells what became of them. The
// router, norms, convolutions, A and D stay as they are, and so do the embedding, whose rows are not multiplied, and weights
// that are quantized already. progress, if not nil, is told of the bytes that are done. It must be called before the model is
// used, and before Prepare. If ctx ends, the model is of no use; the error is ctx's.
func (m *Model) Round(ctx context.Context, choose Choice, progress func(done, total int64)) error {
	all, total := m.large()
	m.rounded = []Conversion{}
	done := int64(0)
	for _, l := range all {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		c, source, err := l.round(choose)
		c.Name = m.source.Stored(l.ID)
		if err != nil {
			return fmt.Errorf("%s to %v: %w", c.Name, c.To, err)
		}
		if source != nil {
			m.source.Release(source)
		}
		l.resize(c.After - c.Before)
		m.rounded = append(m.rounded, c)
		if done += c.Before; progress != nil {
			progress(done, total)
		}
	}
	m.choice = choose
	return nil
}

// round rounds a matrix, and returns what became of it and the bytes of a file that are needed no more.
func (l *large) round(choose Choice) (c Conversion, source []byte, err error) {
	c = Conversion{Shape: []int{l.N, l.K}, From: l.DType, Before: int64(l.Bytes())}
	c.To, c.Note = choose(l.ID, l.K)
	switch {
	case c.From.Quantized():
		c.To, c.Kept, c.Note = c.From, true, "quantized already"
	case c.To == tensor.Invalid || c.To == c.From:
		c.To = c.From
	default:
		source, err = l.Quantize(c.To)
	}
	c.After = int64(l.Bytes())
	return c, source, err
}
