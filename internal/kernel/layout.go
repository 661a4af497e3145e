package kernel

import "jamba/tensor"

// layout is how the weights of one type lie in panels and how products read them. Files hold panels: what changes where
// something lies changes PanelVersion.
type layout struct {
	pairs      integers // in panels of 8 rows
	fours      integers // in panels of 16 rows
	sub        int      // columns that share a scale, 32 or 16, or 32 if all do
	scaling    scaling
	arithmetic arithmetic
}

// layouts are the types that lie in panels, and how: a further one is a row here if its integers, its scaling and its
// arithmetic are among those there are. The other types are widened to float32, a few rows at a time, in every product:
// those of less than four bits, which would take two to five times the memory in panels, and those whose values are from
// a table.
var layouts = map[tensor.DType]*layout{
	tensor.Q8_0: {int8Pairs{}, int8Fours{}, 32, scaleOnly{}, i8},
	tensor.Q4_0: {int4Pairs{}, int4Fours{}, 32, scaleOffset{}, i4m},
	tensor.Q4_1: {int4Pairs{}, int4Fours{}, 32, scaleMin{}, i4m},
	tensor.Q5_0: {int8Pairs{}, int8Fours{}, 32, scaleOnly{}, i8},
	tensor.Q5_1: {int8Pairs{}, int5Fours{}, 32, scaleMin{}, i8m},
	tensor.Q4_K: {int4Pairs{}, int4Fours{}, 32, superMin{max: 1<<13 - 1}, k4},
	tensor.Q5_K: {int8Pairs{}, int5Fours{}, 32, superMin{max: 1<<13 - 1}, k5},
	tensor.Q6_K: {int8Pairs{}, int6Fours{}, 16, superOnly{max: 63<<6 + 31}, k6},
	tensor.INT8: {int8Fours{}, int8Fours{}, 32, rowOnly{}, c8},
}

// arithmetic is what kernels compute of activations, integers and scales: the index of a tier's kernels.
type arithmetic int

const (
	i8  arithmetic = iota // 8 bits, a scale for 32 columns
	i8m                   // 8 bits, 5 in panels of 16 rows, a scale and a minimum
	i4m                   // 4 bits, a scale and a minimum
	k4                    // K formats of 4, 5 and 6 bits
	k5
	k6
	c8          // 8 bits, a scale for a row of weights and one for a row of activations
	arithmetics // their number
)

// packKernels are the kernels of packed matrices in one tier.
type packKernels struct {
	rows int // of weights that lie side by side in a panel
	// arithmetic are the kernels of each; without any, types of that arithmetic are not packed in this tier.
	arithmetic [arithmetics]integerKernels
	// round rounds blocks of 32 activations to integers of at most digitsMost.
	round func(q *int16, xs *float32, x *float32, blocks int)
	// roundK rounds blocks of superHalf activations to integers of at most max.
	roundK func(q *int16, xs *float32, x *float32, max float32, blocks int)
	// digits round to the same integers in digits, see digitTiles, beside blocks of 32, super-blocks with minima and such
	// without, and multiply scale·sum by times; nil if the tier has no such tiles.
	digits, digitsSuper, digitsOnly func(q *int16, x *float32, max, times float32, blocks int)
	// roundRow rounds a row of blocks of 32 activations for the arithmetic c8, see channelTiles.
	roundRow func(q *int16, xs *float32, x *float32, blocks int)
	// fromF16 widens n times rows fp16 values to float32.
	fromF16 func(dst *float32, src *byte, n int)
	// scalesK multiplies, for each super-block, rows fp16 values d with count times rows signed bytes c.
	scalesK func(dst *float32, d, c *byte, count, supers int)
}

// integerKernels multiply with packed weights in one arithmetic.
type integerKernels struct {
	// few are the tiles for few rows of activations.
	few panelTiles
	// many is another way for many rows, with the bits of few; nil: there is none.
	many manyWay
}

// of returns the kernels for weights in that layout, nil if there are none.
func (k *packKernels) of(l *layout) *integerKernels {
	if kernels := &k.arithmetic[l.arithmetic]; kernels.few != nil {
		return kernels
	}
	return nil
}

// Packs reports whether matrices of type d lie in panels if the kernels have some; see Pack.
func Packs(d tensor.DType) bool { return layouts[d] != nil }
