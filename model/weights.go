package model

import (
	"fmt"
	"slices"

	"jamba/kernel/quant"
	"jamba/tensor"
)

// quantize rounds the network's large matrices as the recipe says, and frees what they were rounded from. The
// router, norms, convolutions, A and D stay as they are, and so do the embedding, whose rows are not multiplied, and
// weights that are quantized already.
func (m *Model) quantize(r Recipe, progress func(done, total int64)) error {
	if !slices.Contains(WeightRecipes(), r) {
		return fmt.Errorf("weights to %q: %s are possible", string(r), Names(WeightRecipes()))
	}
	choose := expertsInt8
	if r != ExpertsInt8 {
		mix, err := r.of(&m.Config)
		if err != nil {
			return err
		}
		choose = mix.matrix
	}
	all, total := m.large()
	report, done := Report{}, int64(0)
	for _, l := range all {
		c := Conversion{Name: m.nameOf(&l), Shape: []int{l.N, l.K}, From: l.DType, Before: int64(l.Bytes())}
		var round func(dst []byte, row []float32) error
		c.To, c.Note, round = choose(&l)
		switch {
		case c.From.Quantized():
			c.To, c.Kept, c.Note = c.From, true, "quantized already"
		case c.To == tensor.Invalid || c.To == c.From:
			c.To = c.From
		default:
			source, err := l.Quantize(c.To, round)
			if err != nil {
				return fmt.Errorf("%s to %v: %w", c.Name, c.To, err)
			}
			m.source.ReleaseBytes(source)
		}
		c.After = int64(l.Bytes())
		l.resize(c.After - c.Before)
		report = append(report, c)
		if done += c.Before; progress != nil {
			progress(done, total)
		}
	}
	m.Quantized = report
	return nil
}

// matrix returns the type for a matrix, or Invalid if its rows are no whole blocks, and why it is not the recipe's.
func (m *mixture) matrix(l *large) (d tensor.DType, note string, round func([]byte, []float32) error) {
	d, note = m.choose(ggufNames.of(l), l.layer, l.K)
	if !d.Quantized() {
		d = tensor.Invalid
	}
	return d, note, nil
}

func expertsInt8(l *large) (d tensor.DType, note string, round func([]byte, []float32) error) {
	switch {
	case l.expert < 0:
		return tensor.BF16, "no expert", nil
	case l.K%tensor.Q8_0.BlockValues() != 0:
		return tensor.BF16, fmt.Sprintf("rows of %d are no multiple of %d", l.K, tensor.Q8_0.BlockValues()), nil
	}
	return tensor.Q8_0, "one scale a row", quant.QuantizeRowQ8
}

// nameOf returns a matrix' name in the checkpoint.
func (m *Model) nameOf(l *large) string {
	if l.layer < 0 && m.Config.TieWordEmbeddings {
		return m.names.embed + " as the output"
	}
	name := m.names.of(l)
	if l.expert >= 0 && (m.names.stack[0] != "" || !m.source.Has(name)) {
		return fmt.Sprintf("%s [%d]", ggufNames.of(l), l.expert) // one of a stack
	}
	return name
}

// of returns the name of a matrix: that of the stack for experts, if they are stacked.
func (n *naming) of(l *large) string {
	if l.layer < 0 {
		return n.lmHead
	}
	j := slices.Index([]string{"feed_forward.gate_proj", "feed_forward.up_proj", "feed_forward.down_proj"}, l.part)
	switch {
	case l.expert < 0:
		return n.part(l.layer, l.part+".weight")
	case n.stack[0] != "":
		return fmt.Sprintf(n.layer, l.layer) + n.stack[j]
	}
	return fmt.Sprintf(n.layer, l.layer) + fmt.Sprintf(n.expert[j], l.expert)
}
