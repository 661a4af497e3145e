package model

import (
	"jamba/tensor"
)

// Conversion says what became of a tensor.
type Conversion struct {
	Name          string
	Shape         []int
	From, To      tensor.DType
	Before, After int64 // bytes
	Kept          bool  // it is none that a recipe rounds: a norm, a router, …
	Note          string
}

// Report says what became of each tensor of a model.
type Report []Conversion

// Values returns the number of the tensor's values.
func (c *Conversion) Values() int64 {
	n := int64(1)
	for _, d := range c.Shape {
		n *= int64(d)
	}
	return n
}

// Bytes returns the bytes of all tensors, before and after.
func (r Report) Bytes() (before, after int64) {
	for _, c := range r {
		before += c.Before
		after += c.After
	}
	return before, after
}

// join adds a note to one there may be.
func (c *Conversion) join(note string) {
	switch {
	case note == "":
	case c.Note == "":
		c.Note = note
	default:
		c.Note += "; " + note
	}
}
