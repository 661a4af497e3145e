package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// quantized writes the integer products of the fast pass: rows of activations in blocks of 32 integers of 16 bits
// with a scale, times a panel of weight rows, one for each lane of a vector, with a scale and often a minimum for each
// block (see panels in package kernel). An output is one float, to which each block in ascending order adds scale·scale·(sum of products) and then, if there
// are minima, minimum·(sum of activations): the same for every tile.
func quantized() {
	for m := 1; m <= v.packedRows; m++ {
		gemmI8(m, false)
	}
	for m := 1; m <= v.packedRows; m++ {
		gemmI8(m, true)
	}
	for m := 1; m <= v.packedRows; m++ {
		gemmI4(m)
	}
	superblocks()
}

// operands are the registers that the integer products share.
type operands struct {
	dst, ldd, w, ws, wm, n Register
	x, xs                  func(i int) Mem
	xbases, xsbases        []Register
}

// load loads the parameters of
// func(dst *float32, ldd int, x *T, ldx int, xs *float32, ldxs int, w *byte, ws *float32, wm *float32, blocks int):
// ldx in bytes; xs has a scale and scale·sum for each block.
func loadOperands(m int, minima bool) operands {
	var o operands
	o.w, o.ws = Load(Param("w"), GP64()), Load(Param("ws"), GP64())
	if minima {
		o.wm = Load(Param("wm"), GP64())
	}
	o.n = Load(Param("blocks"), GP64())
	x, ldx := Load(Param("x"), GP64()), Load(Param("ldx"), GP64())
	xs, ldxs := Load(Param("xs"), GP64()), Load(Param("ldxs"), GP64())
	SHLQ(Imm(2), ldxs)
	o.x, o.xbases = rowsOf(x, ldx, m)
	o.xs, o.xsbases = rowsOf(xs, ldxs, m)
	return o
}

// store writes the results and returns.
func (o *operands) store(acc []VecVirtual) {
	dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	for i, a := range acc {
		VMOVUPS(a, at(dst, 0))
		if i < len(acc)-1 {
			ADDQ(ldd, dst)
		}
	}
	VZEROUPPER()
	RET()
}

// sums are the integer sums of a block: for each row of activations as many as keep the processor busy, since each
// waits for the one before. They are exact, in any order.
type sums [][]VecVirtual

// Beside them a row of activations holds that many registers.
func newSums(m, held int) sums {
	s := make(sums, m)
	for i := range s {
		const others = 3 // registers
		s[i] = vectors(min((v.chains+m-1)/m, 4, (v.registers-others)/m-held))
	}
	return s
}

func (s sums) clear() {
	for _, row := range s {
		for _, x := range row {
			zero(x)
		}
	}
}

// floats returns the sums of row i together, as floats.
func (s sums) floats(i int) VecVirtual {
	sum := s.whole(i)
	VCVTDQ2PS(sum, sum)
	return sum
}

// whole returns the sums of row i together.
func (s sums) whole(i int) VecVirtual {
	row := s[i]
	for n := len(row); n > 1; n = (n + 1) / 2 {
		for j := range n / 2 {
			VPADDD(row[n-1-j], row[j], row[j])
		}
	}
	return row[0]
}

// How far ahead of the products weights are fetched, in bytes.
//
// AVX2: some 150 ns for one row of activations. Measured with two threads on Zen 3, against 1024: 4 bits from 70–75 to 77–88 % of
// the speed of reading, 8 bits from 86 to 90 %.
//
// AVX-512: into the second cache first, which many fetches can be on the way to, and from there into the first, where
// a few dozen lines at a time are on their way at most.
const (
	prefetchI8 = 2048
	prefetchI4 = 4096

	prefetchSecond = 8192
	prefetchFirst  = 2048
)

// prefetch fetches the line of weights that products come to ahead bytes later.
func prefetch(w Register, off, ahead int) {
	if v.bytes < 64 {
		PREFETCHT0(at(w, off+ahead))
		return
	}
	PREFETCHT1(at(w, off+prefetchSecond))
	PREFETCHT0(at(w, off+prefetchFirst))
}

// eightBits calls one for each vector of pairs of int16 of the columns from first to last of 32, widened from a block of 8 bits
// at off from w on, with the column that the pairs begin with. Panels of 8 rows have pairs of columns of each row; those of 16
// have four columns of each, with 128 added.
func eightBits(w Register, off, first, last int, fetch func(off int), one func(column int, weights VecVirtual)) {
	if v.wide() {
		for column := first; column < last; column += 4 {
			off := off + v.bytes*column/4
			fetch(off)
			four := v.register()
			move(at(w, off), four)
			fours(four, column, 128, one)
		}
		return
	}
	for column := first; column < last; column += 2 {
		off := off + v.bytes*column/4
		fetch(off)
		weights := v.register()
		VPMOVSXBW(at(w, off), weights)
		one(column, weights)
	}
}

// fourBits is eightBits for a block of 4 bits, which have no sign.
func fourBits(w Register, off int, fetch func(off int), one func(column int, weights VecVirtual)) {
	if v.wide() {
		for j := range 4 {
			off := off + v.bytes*j
			fetch(off)
			lower, upper := v.register(), v.register()
			move(at(w, off), lower)
			VPSRLW(Imm(4), lower, upper)
			and(u32(0x0F0F0F0F), lower, lower)
			and(u32(0x0F0F0F0F), upper, upper)
			fours(lower, 4*j, 0, one)
			fours(upper, 16+4*j, 0, one)
		}
		return
	}
	for j := range 8 {
		off := off + v.bytes/2*j
		fetch(off)
		lower, upper := v.register(), v.register()
		VPMOVZXBW(at(w, off), lower)
		VPSRLW(Imm(4), lower, upper)
		and(u32(0x000F000F), lower, lower)
		one(2*j, lower)
		one(2*j+16, upper)
	}
}

// fours calls one for both pairs of int16 of four bytes of each row, to which bias was added.
func fours(four VecVirtual, column int, bias uint32, one func(column int, weights VecVirtual)) {
	for half := range 2 {
		weights := v.register()
		VPSHUFB(spread(half), four, weights)
		if bias > 0 {
			VPSUBW(u32(bias<<16|bias), weights, weights)
		}
		one(column+2*half, weights)
	}
}

var spreads = map[int]Mem{}

// spread is the order of bytes that widens the first or the second two bytes of each word to 16 bits.
func spread(half int) Mem {
	m, ok := spreads[half]
	if !ok {
		m = GLOBL(name("spread", half), RODATA|NOPTR)
		for i := range v.words() {
			first := uint32(i%4*4 + 2*half)
			DATA(4*i, U32(first|0x80<<8|(first+1)<<16|0x80<<24))
		}
		spreads[half] = m
	}
	return m
}

// fetch returns what fetches the weights ahead of those at off.
func (o *operands) fetch(ahead int) func(off int) {
	return func(off int) {
		if off%64 == 0 {
			prefetch(o.w, off, ahead)
		}
	}
}

// gemmI8 writes the tile of m rows of int16 and a panel of weights of 8 bits with a scale for each block of 32 weights.
// Weights are widened to int16 once for all rows. A block of products is at most 32·128·digitsMost, which an int32 holds.
func gemmI8(m int, minima bool) {
	title := name("gemmI8", v.title, "x", m)
	if minima {
		title = name("gemmI8m", v.title, "x", m)
	}
	TEXT(title, NOSPLIT, "func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *byte, ws *float32, wm *float32, blocks int)")
	Pragma("noescape")
	bits := blockBits(minima)
	o := loadOperands(m, minima)
	acc, sum := vectors(m), newSums(m, 1)
	for _, a := range acc {
		VXORPS(a, a, a)
	}
	loop("block", o.n, 1, func() {
		sum.clear()
		panelBits(o.w, bits, o.fetch(prefetchI8), func(column int, weights VecVirtual) {
			for i := range m {
				v.dot(disp(o.x(i), 2*column), weights, sum[i][column/2%len(sum[i])])
			}
		})
		for i := range m {
			s := v.register()
			VBROADCASTSS(o.xs(i), s)
			VMULPS(at(o.ws, 0), s, s)
			VFMADD231PS(s, sum.floats(i), acc[i])
		}
		o.minima(acc)
		ADDQ(U32(uint32(bits*v.bytes)), o.w)
		add(v.bytes, o.ws)
		o.next()
	})
	o.store(acc)
}

// blockBits is how many bits weights of the arithmetic of 8 bits take: with minima, as Q5_1 has, 5 in panels of 16 rows.
func blockBits(minima bool) int {
	if minima && v.wide() {
		return 5
	}
	return 8
}

// panelBits is eightBits or fiveBits for all of 32 columns at w.
func panelBits(w Register, bits int, fetch func(off int), one func(column int, weights VecVirtual)) {
	if bits == 8 {
		eightBits(w, 0, 0, 32, fetch, one)
		return
	}
	newFiveMasks(false).fiveBits(w, 0, 0, 32, fetch, func(column int, four VecVirtual) { fours(four, column, 0, one) })
}

// minima adds minimum·(scale·sum) of one block to each row.
func (o *operands) minima(acc []VecVirtual) {
	if o.wm == nil {
		return
	}
	minimum := v.register()
	VMOVUPS(at(o.wm, 0), minimum)
	for i, a := range acc {
		s := v.register()
		VBROADCASTSS(disp(o.xs(i), 4), s)
		VFMADD231PS(s, minimum, a)
	}
	add(v.bytes, o.wm)
}

// next moves the activations on by a block.
func (o *operands) next() {
	for _, r := range o.xbases {
		ADDQ(Imm(64), r)
	}
	for _, r := range o.xsbases {
		ADDQ(Imm(8), r)
	}
}

// gemmI4 writes the tile of m rows of int16 and a panel of 4-bit weights.
func gemmI4(m int) {
	TEXT(name("gemmI4", v.title, "x", m), NOSPLIT, "func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *byte, ws *float32, wm *float32, blocks int)")
	Pragma("noescape")
	o := loadOperands(m, true)
	acc, sum := vectors(m), newSums(m, 1)
	for _, a := range acc {
		VXORPS(a, a, a)
	}
	loop("block", o.n, 1, func() {
		sum.clear()
		k := 0
		fourBits(o.w, 0, o.fetch(prefetchI4), func(column int, weights VecVirtual) {
			for i := range m {
				v.dot(disp(o.x(i), 2*column), weights, sum[i][k%len(sum[i])])
			}
			k++
		})
		for i := range m {
			s := v.register()
			VBROADCASTSS(o.xs(i), s)
			VMULPS(at(o.ws, 0), s, s)
			VFMADD231PS(s, sum.floats(i), acc[i])
		}
		o.minima(acc)
		add(4*v.bytes, o.w)
		add(v.bytes, o.ws)
		o.next()
	})
	o.store(acc)
}

// blockMost loads a block of 32 floats and returns it with the largest absolute value, as a scalar. As integers the
// bits of absolute values have the same order, and a NaN is the largest.
func blockMost(x Register) (v []VecVirtual, half VecVirtual) {
	v = vectors(4)
	peak, a := YMM(), YMM()
	for i := range v {
		VMOVUPS(at(x, 32*i), v[i])
		if i == 0 {
			VANDPS(u32(0x7FFFFFFF), v[i], peak)
		} else {
			VANDPS(u32(0x7FFFFFFF), v[i], a)
			VPMAXSD(a, peak, peak)
		}
	}
	return v, most(peak)
}

// most returns the largest of eight words.
func most(x VecVirtual) (half VecVirtual) {
	half, other := XMM(), XMM()
	VEXTRACTI128(Imm(1), x, half)
	VPMAXSD(x.AsX(), half, half)
	VPSHUFD(Imm(0x4E), half, other)
	VPMAXSD(other, half, half)
	VPSHUFD(Imm(0xB1), half, other)
	VPMAXSD(other, half, half)
	return half
}

// roundActivations writes the rounding of a row to blocks of 32 integers from -digitsMost to digitsMost, each block with its
// scale and scale·sum.
func roundActivations() {
	TEXT("roundAVX2", NOSPLIT, "func(q *int16, xs *float32, x *float32, blocks int)")
	Pragma("noescape")
	q, xs, x, n := Load(Param("q"), GP64()), Load(Param("xs"), GP64()), Load(Param("x"), GP64()), Load(Param("blocks"), GP64())
	loop("block", n, 1, func() {
		v, peak := blockMost(x)
		limit := XMM()
		VMOVSS(f32(digitsMost), limit)
		scale, factor := roundScale(peak, limit)
		roundBlock(q, xs, 0, v, scale, factor)
		ADDQ(Imm(64), q)
		ADDQ(Imm(128), x)
		ADDQ(Imm(8), xs)
	})
	VZEROUPPER()
	RET()
}

// roundSuper is roundActivations for K formats: 128 numbers, from -limit to limit, share a scale, which stands before each
// 32 of them.
func roundSuper() {
	TEXT("roundKAVX2", NOSPLIT, "func(q *int16, xs *float32, x *float32, limit float32, blocks int)")
	Pragma("noescape")
	q, xs, x, n := Load(Param("q"), GP64()), Load(Param("xs"), GP64()), Load(Param("x"), GP64()), Load(Param("blocks"), GP64())
	loop("block", n, 1, func() {
		all, next := YMM(), XMM()
		for part := range 4 {
			p := GP64()
			LEAQ(at(x, 128*part), p)
			_, peak := blockMost(p)
			if part == 0 {
				VMOVDQA(peak, all.AsX())
			} else {
				VMOVDQA(peak, next)
				VPMAXSD(next, all.AsX(), all.AsX())
			}
		}
		limit := XMM()
		VMOVSS(scalar("limit"), limit)
		scale, factor := roundScale(all.AsX(), limit)
		for part := range 4 {
			v := vectors(4)
			for i := range v {
				VMOVUPS(at(x, 128*part+32*i), v[i])
			}
			roundBlock(q, xs, part, v, scale, factor)
		}
		ADDQ(U32(256), q)
		ADDQ(U32(512), x)
		ADDQ(Imm(32), xs)
	})
	VZEROUPPER()
	RET()
}

// roundScale returns the scale most/limit and its inverse in every word, or 0 if that is not finite: blocks with nothing
// above 1e-34 are 0. With an infinity or a NaN among the numbers the scale is NaN, whatever integers they become.
func roundScale(peak, limit Op) (scale, factor VecVirtual) {
	scale, inverse, finite := XMM(), XMM(), XMM()
	VDIVSS(limit, peak, scale)
	VSUBSS(peak, peak, finite)
	VADDSS(finite, scale, scale)
	VDIVSS(peak, limit, inverse)
	const less = 17
	VCMPSS(Imm(less), f32(math.Inf(1)), inverse, finite)
	VANDPS(finite, inverse, inverse)
	factor = v.register()
	VBROADCASTSS(inverse, factor)
	return scale, factor
}

// roundBlock rounds 32 numbers, v, and writes them and their scales as the block of that number from q and xs on.
func roundBlock(q, xs Register, block int, v []VecVirtual, scale, factor VecVirtual) {
	VMOVSS(scale, at(xs, 8*block))
	sum, half, other := YMM(), XMM(), XMM()
	for i := range v {
		VMULPS(factor, v[i], v[i])
		VCVTPS2DQ(v[i], v[i])
		if i == 0 {
			VMOVDQA(v[i], sum)
		} else {
			VPADDD(v[i], sum, sum)
		}
	}
	VEXTRACTI128(Imm(1), sum, half)
	VPADDD(sum.AsX(), half, half)
	VPSHUFD(Imm(0x4E), half, other)
	VPADDD(other, half, half)
	VPSHUFD(Imm(0xB1), half, other)
	VPADDD(other, half, half)
	VCVTDQ2PS(half, half)
	VMULSS(scale, half, half)
	VMOVSS(half, at(xs, 8*block+4))
	// Packing works within halves of a vector: the quarters are put in order after it.
	VPACKSSDW(v[1], v[0], v[0])
	VPACKSSDW(v[3], v[2], v[2])
	VPERMQ(Imm(0xD8), v[0], v[0])
	VPERMQ(Imm(0xD8), v[2], v[2])
	VMOVDQU(v[0], at(q, 64*block))
	VMOVDQU(v[2], at(q, 64*block+32))
}

// scalesF16 writes the widening of n vectors of fp16 numbers.
func scalesF16() {
	TEXT("widenF16"+v.tier, NOSPLIT, "func(dst *float32, src *byte, n int)")
	Pragma("noescape")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	loop("vector", n, 1, func() {
		x := v.register()
		VCVTPH2PS(at(src, 0), x)
		VMOVUPS(x, at(dst, 0))
		ADDQ(Imm(uint64(v.bytes)), dst)
		ADDQ(Imm(uint64(v.bytes/2)), src)
	})
	VZEROUPPER()
	RET()
}

// narrowF16 writes the rounding of n vectors of eight floats to fp16, to the nearest, ties to even.
func narrowF16() {
	TEXT("narrowF16AVX2", NOSPLIT, "func(dst *byte, src *float32, n int)")
	Pragma("noescape")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	loop("vector", n, 1, func() {
		v := YMM()
		VMOVUPS(at(src, 0), v)
		VCVTPS2PH(Imm(0), v, at(dst, 0))
		ADDQ(Imm(16), dst)
		ADDQ(Imm(32), src)
	})
	VZEROUPPER()
	RET()
}

// narrowQ8 writes the rounding of n blocks to Q8_0, bit for bit as package quant does it.
func narrowQ8() {
	TEXT("narrowQ8AVX2", NOSPLIT, "func(dst *byte, src *float32, n int)")
	Pragma("noescape")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	loop("block", n, 1, func() {
		v, peak := blockMost(src)
		// The inverse of the scale is 0 if it is not finite.
		scale, inverse, finite := XMM(), XMM(), XMM()
		VDIVSS(f32(127), peak, scale)
		VMOVSS(f32(1), inverse)
		VDIVSS(scale, inverse, inverse)
		VCMPSS(Imm(less), f32(math.Inf(1)), inverse, finite)
		VANDPS(finite, inverse, inverse)
		h := GP32()
		VCVTPS2PH(Imm(0), scale, scale)
		VMOVD(scale, h)
		MOVW(h.As16(), at(dst, 0))
		factor := YMM()
		VBROADCASTSS(inverse, factor)
		for i := range v {
			// To the nearest, halves away from zero: the largest number below 1/2 is added, then the fraction dropped.
			half := YMM()
			VMULPS(factor, v[i], v[i])
			VANDPS(u32(0x80000000), v[i], half)
			VORPS(u32(0x3EFFFFFF), half, half)
			VADDPS(half, v[i], v[i])
			VCVTTPS2DQ(v[i], v[i])
		}
		order := YMM()
		VMOVDQU(packOrder(), order)
		packBytes(v, order, at(dst, 2))
		ADDQ(Imm(34), dst)
		ADDQ(U32(128), src)
	})
	VZEROUPPER()
	RET()
}

var packOrders Mem

// packOrder is the order that brings words which were packed to bytes within halves of a vector into that of the vectors.
func packOrder() Mem {
	if packOrders.Symbol.Name == "" {
		packOrders = GLOBL("packOrder", RODATA|NOPTR)
		for i, from := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} {
			DATA(4*i, U32(from))
		}
	}
	return packOrders
}

// packBytes stores four vectors of small numbers, which it overwrites, as bytes.
func packBytes(n []VecVirtual, order VecVirtual, to Mem) {
	VPACKSSDW(n[1], n[0], n[0])
	VPACKSSDW(n[3], n[2], n[2])
	VPACKSSWB(n[2], n[0], n[0])
	VPERMD(n[0], order, n[0])
	VMOVDQU(n[0], to)
}

// scalesK writes the scales and minima of K formats: for each super-block, a vector of fp16 numbers d and count vectors of
// signed bytes c give count vectors d·c.
func scalesK() {
	TEXT("scalesK"+v.tier, NOSPLIT, "func(dst *float32, d *byte, c *byte, count int, supers int)")
	Pragma("noescape")
	dst, d, c := Load(Param("dst"), GP64()), Load(Param("d"), GP64()), Load(Param("c"), GP64())
	supers := Load(Param("supers"), GP64())
	loop("super", supers, 1, func() {
		scale := v.register()
		VCVTPH2PS(at(d, 0), scale)
		n := Load(Param("count"), GP64())
		Label("vector")
		x := v.register()
		VPMOVSXBD(at(c, 0), x)
		VCVTDQ2PS(x, x)
		VMULPS(scale, x, x)
		VMOVUPS(x, at(dst, 0))
		ADDQ(Imm(uint64(v.bytes)), dst)
		ADDQ(Imm(uint64(v.bytes/4)), c)
		DECQ(n)
		JNZ(LabelRef("vector"))
		ADDQ(Imm(uint64(v.bytes/2)), d)
	})
	VZEROUPPER()
	RET()
}
