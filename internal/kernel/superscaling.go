package kernel

// superHalf, half a super-block, is how many columns of a K format the sum of integer products goes over, and a scale of
// activations.
const superHalf = 128

// superOnly: (d·s)·q, K formats without minima. Kernels multiply by s as an integer.
type superOnly struct {
	// max is the largest integer that activations become, such that a sum of products is an int32: superHalf products of
	// it, of weights of 4, 5 or 6 bits and of scales of six bits, or of eight in Q6_K; and such that sums of digits are 16
	// bits, see digitTiles.
	max float32
}

func (superOnly) parts() scaleParts { return scaleParts{subScale: true} }

func (superOnly) values(q []float32, s scales) {
	d := s.scale * float32(s.subScale)
	for i, v := range q {
		q[i] = d * v
	}
}

func (f superOnly) round(k *packKernels, q []int16, xs, x []float32) {
	k.roundK(&q[0], &xs[0], &x[0], f.max, len(x)/superHalf)
}

func (f superOnly) digits(k *packKernels, q []int16, x []float32) {
	k.digitsOnly(&q[0], &x[0], f.max, 1, len(x)/superHalf)
}

func (superOnly) unit() int { return superHalf }

func (superOnly) expand(k *packKernels, scale, _ []float32, from panelScales) *float32 {
	expandHalves(k, scale, from)
	return nil
}

// expandHalves widens the scale of each super-block, twice.
func expandHalves(k *packKernels, scale []float32, from panelScales) {
	rows := from.rows
	k.fromF16(&scale[0], &from.scale[0], from.blocks)
	for i := from.blocks - 1; i >= 0; i-- {
		one := scale[i*rows : (i+1)*rows]
		copy(scale[(2*i+1)*rows:], one)
		copy(scale[2*i*rows:], one)
	}
}

// superMin: (d·s)·q - e·m, K formats with minima.
type superMin struct {
	max float32 // as that of superOnly
}

func (superMin) parts() scaleParts { return scaleParts{min: true, subScale: true, subMin: true} }

func (superMin) values(q []float32, s scales) {
	d, m := s.scale*float32(s.subScale), s.min*float32(-int32(s.subMin))
	for i, v := range q {
		q[i] = float32(d*v) - m
	}
}

func (f superMin) round(k *packKernels, q []int16, xs, x []float32) {
	superOnly(f).round(k, q, xs, x)
}

func (f superMin) digits(k *packKernels, q []int16, x []float32) {
	k.digitsSuper(&q[0], &x[0], f.max, 1, len(x)/superHalf)
}

func (superMin) unit() int { return superHalf }

func (superMin) expand(k *packKernels, scale, minima []float32, from panelScales) *float32 {
	expandHalves(k, scale, from)
	k.scalesK(&minima[0], &from.min[0], &from.subMin[0], from.subs, from.blocks)
	return &minima[0]
}
