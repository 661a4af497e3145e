package kernel

// scaling is how the scales of a layout are made, which of them lie in panels, and what kernels take for them.
type scaling interface {
	// parts are what lies in panels beside the scales.
	parts() scaleParts
	// values replaces integers that share scales by what they stand for.
	values(q []float32, s scales)
	// round rounds activations x, whole blocks of unit, to integers q; xs has a scale and what minima are multiplied by
	// for each 32. x is a whole row where a row has one scale.
	round(k *packKernels, q []int16, xs, x []float32)
	// digits rounds activations x to the same integers as round, in digits, see digitTiles.
	digits(k *packKernels, q []int16, x []float32)
	// unit is how many columns a sum of integer products goes over, and a scale of activations.
	unit() int
	// expand widens the scales of columns of a panel, and the minima if there are any, to float32. It returns what the
	// kernels are to take for minima, nil for none.
	expand(k *packKernels, scale, minima []float32, from panelScales) *float32
}

// scaleParts tells which scales there are beside those of blocks.
type scaleParts struct {
	min      bool // a minimum for each block
	subScale bool // an integer for each sub-block that its scale is multiplied by
	subMin   bool // and its minimum
}

// scales are those of one sub-block.
type scales struct {
	scale, min       float32
	subScale, subMin int8
}

// panelScales are the scales of a panel from some block on, for so many blocks of subs sub-blocks.
type panelScales struct {
	scale, min, subMin []byte
	blocks, subs, rows int
}

// scaleOnly: d·q.
type scaleOnly struct{}

func (scaleOnly) parts() scaleParts { return scaleParts{} }

func (scaleOnly) values(q []float32, s scales) {
	for i, v := range q {
		q[i] = s.scale * v
	}
}

func (scaleOnly) round(k *packKernels, q []int16, xs, x []float32) {
	k.round(&q[0], &xs[0], &x[0], len(x)/32)
}

func (scaleOnly) digits(k *packKernels, q []int16, x []float32) {
	k.digits(&q[0], &x[0], digitsMost, 1, len(x)/32)
}

func (scaleOnly) unit() int { return 32 }

func (scaleOnly) expand(k *packKernels, scale, _ []float32, from panelScales) *float32 {
	k.fromF16(&scale[0], &from.scale[0], from.blocks)
	return nil
}

// scaleMin: d·q + m.
type scaleMin struct{ scaleOnly }

func (scaleMin) parts() scaleParts { return scaleParts{min: true} }

func (scaleMin) values(q []float32, s scales) {
	for i, v := range q {
		q[i] = float32(s.scale*v) + s.min
	}
}

func (scaleMin) expand(k *packKernels, scale, minima []float32, from panelScales) *float32 {
	k.fromF16(&scale[0], &from.scale[0], from.blocks)
	k.fromF16(&minima[0], &from.min[0], from.blocks)
	return &minima[0]
}

// scaleOffset: d·(q-8), which has the minimum -8·d. Kernels take the scales themselves for minima, and round has put the
// factor beside the activations.
type scaleOffset struct{ scaleOnly }

func (scaleOffset) values(q []float32, s scales) {
	for i, v := range q {
		q[i] = s.scale * (v - 8)
	}
}

func (scaleOffset) round(k *packKernels, q []int16, xs, x []float32) {
	k.round(&q[0], &xs[0], &x[0], len(x)/32)
	for i := 1; i < len(xs); i += 2 {
		xs[i] *= -8
	}
}

func (scaleOffset) digits(k *packKernels, q []int16, x []float32) {
	k.digits(&q[0], &x[0], digitsMost, -8, len(x)/32)
}

func (scaleOffset) expand(k *packKernels, scale, _ []float32, from panelScales) *float32 {
	k.fromF16(&scale[0], &from.scale[0], from.blocks)
	return &scale[0]
}

// rowOnly: d·q with one scale d for a row of weights, and one for a row of activations.
type rowOnly struct{ scaleOnly }

func (rowOnly) round(k *packKernels, q []int16, xs, x []float32) {
	k.roundRow(&q[0], &xs[0], &x[0], len(x)/32)
}
