package model

import (
	"fmt"
	"slices"

	"jamba/internal/kernel/quant"
	"jamba/model/param"
	"jamba/tensor"
)

// quantize rounds the network's large matrices as the recipe says, and frees what they were rounded from. The
// router, norms, convolutions, A and D stay as they are, and so do the embedding, whose rows are not multiplied, and
// weights that are quantized already.
func (m *Model) quantize(r Recipe, progress func(done, total int64)) error {
	choose, err := r.choice(&m.Config)
	if err != nil {
		return err
	}
	all, total := m.large()
	report, done := Report{}, int64(0)
	for _, l := range all {
		c, source, err := l.round(choose)
		c.Name = m.nameOf(&l)
		if err != nil {
			return fmt.Errorf("%s to %v: %w", c.Name, c.To, err)
		}
		if source != nil {
			m.source.ReleaseBytes(source)
		}
		l.resize(c.After - c.Before)
		report = append(report, c)
		if done += c.Before; progress != nil {
			progress(done, total)
		}
	}
	m.Quantized, m.rounded = report, r
	return nil
}

// choice says which type a matrix is rounded to, as a recipe's does.
type choice func(l *large) (d tensor.DType, note string, round func(dst []byte, row []float32) error)

// choice returns what the recipe does with each matrix of a network.
func (r Recipe) choice(c *Config) (choice, error) {
	if !slices.Contains(WeightRecipes(), r) {
		return nil, fmt.Errorf("weights to %q: %s are possible", string(r), Names(WeightRecipes()))
	}
	if r == ExpertsInt8 {
		return expertsInt8, nil
	}
	mix, err := r.of(c)
	if err != nil {
		return nil, err
	}
	return mix.matrix, nil
}

// round rounds a matrix, and returns what became of it and the bytes of a file that are needed no more.
func (l *large) round(choose choice) (c Conversion, source []byte, err error) {
	c = Conversion{Shape: []int{l.N, l.K}, From: l.DType, Before: int64(l.Bytes())}
	var round func(dst []byte, row []float32) error
	c.To, c.Note, round = choose(l)
	switch {
	case c.From.Quantized():
		c.To, c.Kept, c.Note = c.From, true, "quantized already"
	case c.To == tensor.Invalid || c.To == c.From:
		c.To = c.From
	default:
		source, err = l.Quantize(c.To, round)
	}
	c.After = int64(l.Bytes())
	return c, source, err
}

// matrix returns the type for a matrix, or Invalid if its rows are no whole blocks, and why it is not the recipe's.
func (m *mixture) matrix(l *large) (d tensor.DType, note string, round func([]byte, []float32) error) {
	d, note = m.choose(ggufNames.matrix(l.ID), l.Layer, l.K)
	if !d.Quantized() {
		d = tensor.Invalid
	}
	return d, note, nil
}

func expertsInt8(l *large) (d tensor.DType, note string, round func([]byte, []float32) error) {
	switch {
	case l.Expert < 0:
		return tensor.BF16, "no expert", nil
	case l.K%tensor.Q8_0.BlockValues() != 0:
		return tensor.BF16, fmt.Sprintf("rows of %d are no multiple of %d", l.K, tensor.Q8_0.BlockValues()), nil
	}
	return tensor.Q8_0, "one scale a row", quant.QuantizeRowQ8
}

// nameOf returns a matrix' name in the checkpoint.
func (m *Model) nameOf(l *large) string {
	if l.Part == param.Head && m.Config.TieWordEmbeddings {
		return m.names.embed + " as the output"
	}
	name := m.names.matrix(l.ID)
	if l.Expert >= 0 && (name == m.names.stackOf(l.Layer, l.Part) || !m.source.Has(name)) {
		return fmt.Sprintf("%s [%d]", ggufNames.matrix(l.ID), l.Expert) // one of a stack
	}
	return name
}
