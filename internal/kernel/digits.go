package kernel

// digitsMost is the largest number that activations beside weights of 8 bits and less become: two digits to the base 256, both
// signed, hold it.
const digitsMost = 127<<8 + 127

// digitBlock is how many int16 a block of 32 activations takes in digits.
const digitBlock = 44

// digitTiles are tiles from one row of activations on for blocks of 32 columns that multiply bytes: numbers of activations are
// two digits, whose sums are added up for each block, so that weights need not be widened. They compute the integers and the
// floats of blockTiles, and read the scales as they lie in panels.
//
// A block of 32 activations is digitBlock int16: 32 higher digits, 32 lower ones, both as bytes, the scale and scale·sum as
// float32, and four int32, which take off what weights with a sign had added, see int8Fours and int6Fours. Beside blocks of 32 the base
// is 256, and the second of them is -128 times the sum of the numbers. Beside K formats the base is such that sums of a digit are 16
// bits: 128, or 64 beside Q6_K. Of the K formats Q6_K alone has signs, and the four are -32 times the sums of the digits: the
// higher ones of the first 16 numbers, the lower ones, and those of the last 16.
type digitTiles struct {
	digitRows
	tiles []digitTile
}

// digitTile multiplies rows of x, ldx bytes apart, with a panel with fp16 scales ws and minima wm for each block.
type digitTile = func(dst *float32, ldd int, x *int16, ldx int, w, ws, wm *byte, blocks int)

// digitRows are activations in digits.
type digitRows struct{}

func (digitRows) rowSize(k int) int { return k / 32 * digitBlock }

func (d digitRows) round(r *rounded, x []float32, i int, p *packed) {
	size := d.rowSize(p.k)
	p.scaling.digits(p.tier, r.q[i*size:(i+1)*size], x)
}

// evenly is how many of m the first of as few parts as possible has, each of at most so many.
func evenly(m, most int) int {
	parts := (m + most - 1) / most
	return (m + parts - 1) / parts
}

func (t digitTiles) panel(dst []float32, ldd int, x *rounded, first, end int, p *packed, panel int, _ *expanded) {
	size, quants := t.rowSize(p.k), p.quants[panel*p.quantBytes(p.k):]
	scale, minima := p.blockScales(panel)
	for i, next := first, 0; i < end; i = next {
		next = i + evenly(end-i, len(t.tiles))
		t.tiles[next-i-1](&dst[(i-first)*ldd], ldd, &x.q[i*size], 2*size, &quants[0], scale, minima, p.blocks)
	}
}

// blockScales returns the scales of the blocks of a panel and their minima, or what kernels are to take for them.
func (p *packed) blockScales(panel int) (scale, minima *byte) {
	at := panel * p.blocks * 2 * p.rows
	scale = &p.scale[at]
	if len(p.min) == 0 {
		return scale, scale // for scaleOffset
	}
	return scale, &p.min[at]
}

// digitSuperTiles are digitTiles for K formats.
type digitSuperTiles struct {
	digitRows
	tiles []digitSuperTile
}

// digitSuperTile is a digitTile of a K format, with bytes sc that scale its sub-blocks, bytes sm of their minima and as many
// blocks as there are super-blocks.
type digitSuperTile = func(dst *float32, ldd int, x *int16, ldx int, w, sc, sm, ws, wm *byte, blocks int)

func (t digitSuperTiles) panel(dst []float32, ldd int, x *rounded, first, end int, p *packed, panel int, _ *expanded) {
	size, quants, sub := t.rowSize(p.k), p.quants[panel*p.quantBytes(p.k):], panel*(p.k/p.sub)*p.rows
	scale, minima := p.blockScales(panel)
	subScale := &p.subScale[sub]
	subMin := subScale
	if len(p.subMin) > 0 {
		subMin = &p.subMin[sub]
	}
	for i, next := first, 0; i < end; i = next {
		next = i + evenly(end-i, len(t.tiles))
		t.tiles[next-i-1](&dst[(i-first)*ldd], ldd, &x.q[i*size], 2*size, &quants[0], subScale, subMin, scale, minima, p.blocks)
	}
}
