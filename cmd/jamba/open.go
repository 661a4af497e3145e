package main

import (
	"fmt"
	"io"

	"jamba/model"
	"jamba/tensor"
)

// openFlags say how to open a model for computing.
type openFlags struct {
	Weights weightsFlag `placeholder:"TYPE" help:"Round weights that are not quantized while loading: q8_0, q5_1, q5_0, q4_1 or q4_0."`
}

// weightsFlag is a block format that weights can be rounded to.
type weightsFlag tensor.DType

// UnmarshalText reads the format's name.
func (f *weightsFlag) UnmarshalText(b []byte) error {
	var d tensor.DType
	if err := d.UnmarshalText(b); err == nil {
		switch d {
		case tensor.Q8_0, tensor.Q5_1, tensor.Q5_0, tensor.Q4_1, tensor.Q4_0:
			*f = weightsFlag(d)
			return nil
		}
	}
	return fmt.Errorf("cannot round weights to %q; q8_0, q5_1, q5_0, q4_1 and q4_0 are possible", b)
}

// options returns the model's options, with progress on w.
func (f *openFlags) options(w io.Writer, p model.Precision) model.Options {
	return model.Options{Precision: p, Weights: tensor.DType(f.Weights), Progress: loading(w)}
}

// tell says on w what there is to know of an opened model.
func (f *openFlags) tell(w io.Writer, m *model.Model) {
	warnUnused(w, m)
	if q := m.Quantized; q != nil {
		fmt.Fprintf(w, "jamba: %d matrices of %s rounded to %v, %s; %d of %s kept\n", q.Matrices, bytesize(q.Before), tensor.DType(f.Weights), bytesize(q.After), q.Kept, bytesize(q.Bytes))
	}
}
