package recipe

import "jamba/model"

// Report says what became of each tensor of a model.
type Report []model.Conversion

// Bytes returns the bytes of all tensors, before and after.
func (r Report) Bytes() (before, after int64) {
	for _, c := range r {
		before += c.Before
		after += c.After
	}
	return before, after
}
