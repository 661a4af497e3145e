package model

import (
	"fmt"

	"jamba/model/param"
	"jamba/tensor"
)

// Tell returns the bytes that one of a part's tensors of that shape takes.
type Tell func(id param.ID, t param.Tensor, shape []int) (int64, error)

// surveyLimit bounds the bytes of a layer, so that no sum overflows: 256 TiB.
const surveyLimit = 1 << 48

// Survey returns the sizes of a network that has no weights: of each tensor that Load would fetch, tell says the bytes.
// Experts of a layer are alike, so it is asked about the first alone.
func (c *Config) Survey(tell Tell) (Sizes, error) {
	if err := c.Validate(); err != nil {
		return Sizes{}, err
	}
	l := &loader{source: nowhere{}, survey: tell}
	m := l.model(*c)
	return m.sizes, l.err
}

// nowhere is the source of a survey, which fetches nothing of it.
type nowhere struct{ Source }

func (nowhere) HasBias(param.ID) bool { return true }
func (nowhere) ByProjection(int) bool { return false }
func (nowhere) Negated() bool         { return false }

// surveyed counts a tensor that is not there.
func (l *loader) surveyed(id param.ID, which param.Tensor, shape []int) tensor.Tensor {
	var bytes int64
	if bytes, l.err = l.survey(id, which, shape); l.err == nil {
		t := tensor.Tensor{Shape: shape}
		l.count(int64(t.Numel()), bytes)
		return t
	}
	return tensor.Tensor{}
}

// surveyExperts counts the experts of layer i as so many of the first.
func (l *loader) surveyExperts(i int, c *MoE, hidden int) []mlp {
	before := l.size
	first := func(part param.Part, n, k int) {
		l.tensor(param.ID{Layer: i, Part: part, Expert: 0}, param.Weight, n, k)
	}
	first(param.GateProj, c.IntermediateSize, hidden)
	first(param.UpProj, c.IntermediateSize, hidden)
	first(param.DownProj, hidden, c.IntermediateSize)
	params, bytes, n := l.size.Params-before.Params, l.size.Bytes-before.Bytes, int64(c.NumExperts)
	if l.err == nil && max(params, bytes) > surveyLimit/n {
		l.err = fmt.Errorf("layer %d: %d experts of %d parameters are more than any machine holds", i, n, params)
	}
	if l.err != nil {
		return nil
	}
	l.size.Params, l.size.Bytes = before.Params+n*params, before.Bytes+n*bytes
	return nil
}
