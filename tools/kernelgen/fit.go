package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// fitting writes the loops of rounding to K formats, bit for bit those of package quant: eight sub-blocks at a time, one in
// each lane. A product is rounded before it is added; those of whole numbers are exact, and fused.
func fitting() {
	peakBits()
	pack("interleaveAVX2", weightF32, 8, 8*8)
	fitMinima()
	fitSigned()
	fitNumber()
	fitNumberSigned()
	fitError()
}

// tiny is that of package quant: sub-blocks whose values differ by no more have no scale.
const tiny = 0x1p-25

// truncate rounds towards zero.
const truncate = 3

// peakBits writes the largest magnitude's bits.
func peakBits() {
	TEXT("peakBitsAVX2", NOSPLIT, "func(x *float32, n int) uint32")
	Pragma("noescape")
	x, n := Load(Param("x"), GP64()), Load(Param("n"), GP64())
	top, magnitude := YMM(), YMM()
	zero(top)
	VMOVDQU(u32(0x7FFFFFFF), magnitude)
	loop("vector", n, 8, func() {
		a := YMM()
		VPAND(at(x, 0), magnitude, a)
		VPMAXSD(a, top, top)
		ADDQ(Imm(32), x)
	})
	r := GP32()
	VMOVD(most(top), r)
	Store(r, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// eachRow runs body for so many rows of eight floats from base on, several at a time.
func eachRow(label string, base, rows Register, several int, body func(row Mem)) {
	from, n := GP64(), GP64()
	MOVQ(base, from)
	MOVQ(rows, n)
	loop(label, n, several, func() {
		for i := range several {
			body(at(from, 32*i))
		}
		add(32*several, from)
	})
}

// both runs body for two tries at once: each waits for its own sums.
func both(body func(k int)) {
	for k := range 2 {
		body(k)
	}
}

// clearAll clears vectors.
func clearAll(all ...VecVirtual) {
	for _, a := range all {
		VXORPS(a, a, a)
	}
}

// choose puts a into to in the lanes of mask.
func choose(mask, a VecVirtual, to Mem) {
	old := YMM()
	VMOVUPS(to, old)
	VBLENDVPS(mask, a, old, old)
	VMOVUPS(old, to)
}

// fitMinima writes the fit of scales and minima to rows of eight values, less the least of which they are stored in work.
func fitMinima() {
	TEXT("fitAVX2", NOSPLIT, "func(d *float32, m *float32, x *float32, work *float32, rows int, steps *float32, tries int, most float32)")
	Pragma("noescape")
	local := func() Mem { return AllocLocal(32) }
	least, width, sum, count, base, best, bestD, bestM := local(), local(), local(), local(), local(), local(), local(), local()
	x, work, rows := Load(Param("x"), GP64()), Load(Param("work"), GP64()), Load(Param("rows"), GP64())

	lo, hi := YMM(), YMM()
	clearAll(lo)
	VMOVUPS(at(x, 0), hi)
	eachRow("range", x, rows, 4, func(row Mem) {
		u := YMM()
		VMOVUPS(row, u)
		VMINPS(lo, u, lo) // of equals the second
		VMAXPS(hi, u, hi)
	})
	VSUBPS(lo, hi, hi)
	VMOVUPS(hi, width)
	VMOVUPS(lo, least)
	total, to := YMM(), GP64()
	clearAll(total)
	MOVQ(work, to)
	eachRow("less", x, rows, 1, func(row Mem) {
		u := YMM()
		VMOVUPS(row, u)
		VSUBPS(lo, u, u)
		VADDPS(u, total, total)
		VMOVUPS(u, at(to, 0))
		ADDQ(Imm(32), to)
	})
	VMOVUPS(total, sum)
	n, t, none := YMM(), YMM(), YMM()
	VCVTSI2SSQ(rows, n.AsX(), n.AsX())
	VBROADCASTSS(n.AsX(), n)
	VMOVUPS(n, count)
	// The error of minimum and scale zero, less the sum of squares.
	VMULPS(n, lo, t)
	VADDPS(total, total, total)
	VADDPS(t, total, t)
	VMULPS(lo, t, t)
	VMOVUPS(t, base)
	VMOVUPS(u32(0x7F7FFFFF), t)
	VMOVUPS(t, best)
	clearAll(none)
	VMOVUPS(none, bestD)
	VMOVUPS(none, bestM)

	steps, tries := Load(Param("steps"), GP64()), Load(Param("tries"), GP64())
	loop("pair", tries, 2, func() {
		id, sq, sqq, suq := vectors(2), vectors(2), vectors(2), vectors(2)
		half, top := YMM(), YMM()
		VMOVUPS(f32(0.5), half)
		VBROADCASTSS(scalar("most"), top)
		both(func(k int) {
			VBROADCASTSS(at(steps, 4*k), id[k])
			VDIVPS(width, id[k], id[k])
			clearAll(sq[k], sqq[k], suq[k])
		})
		eachRow("row", work, rows, 4, func(row Mem) {
			u := YMM()
			VMOVUPS(row, u)
			both(func(k int) {
				q := YMM()
				VMULPS(u, id[k], q)
				VADDPS(half, q, q)
				VROUNDPS(Imm(truncate), q, q)
				VMINPS(top, q, q)
				VADDPS(q, sq[k], sq[k])
				VFMADD231PS(q, q, sqq[k])
				VMULPS(u, q, q)
				VADDPS(q, suq[k], suq[k])
			})
		})
		both(func(k int) {
			d, m, e := solve(sq[k], sqq[k], suq[k], least, sum, count, base)
			better := YMM()
			VCMPPS(Imm(less), best, e, better)
			choose(better, e, best)
			choose(better, d, bestD)
			choose(better, m, bestM)
		})
		ADDQ(Imm(8), steps)
	})
	wide, d, m, none := YMM(), YMM(), YMM(), YMM()
	VMOVUPS(width, wide)
	VCMPPS(Imm(greater), f32(tiny), wide, wide)
	VANDPS(bestD, wide, d)
	VMOVUPS(u32(0x80000000), none)
	VXORPS(least, none, none)
	VBLENDVPS(wide, bestM, none, m)
	VMOVUPS(d, at(Load(Param("d"), GP64()), 0))
	VMOVUPS(m, at(Load(Param("m"), GP64()), 0))
	VZEROUPPER()
	RET()
}

// solve is that of package quant.
func solve(sq, sqq, suq VecVirtual, least, sum, count, base Mem) (d, m, e VecVirtual) {
	det, t, fits, none := YMM(), YMM(), YMM(), f32(0)
	d, m, e = YMM(), YMM(), YMM()
	VMULPS(count, sqq, det)
	VMULPS(sq, sq, t)
	VSUBPS(t, det, det)
	VCMPPS(Imm(greater), none, det, fits)
	VMULPS(count, suq, d)
	VMULPS(sum, sq, t)
	VSUBPS(t, d, d)
	VDIVPS(det, d, d)
	VCMPPS(Imm(greater), none, d, t)
	VANDPS(t, fits, fits)
	VMULPS(d, sq, e)
	VSUBPS(sum, e, e)
	VDIVPS(count, e, e)
	VSUBPS(least, e, m)
	VCMPPS(Imm(greater), none, m, t)
	VANDPS(t, fits, fits)
	VANDPS(m, fits, m)
	VMULPS(sum, e, e)
	VMULPS(d, suq, t)
	VSUBPS(t, e, e)
	// Without a minimum. The numbers may all be zero, and what is not a number becomes zero.
	sxq, without := YMM(), YMM()
	VMULPS(least, sq, sxq)
	VADDPS(suq, sxq, sxq)
	VDIVPS(sqq, sxq, without)
	VMAXPS(none, without, without)
	VMULPS(without, sqq, t)
	VADDPS(sxq, sxq, sxq)
	VSUBPS(sxq, t, t)
	VMULPS(without, t, t)
	VADDPS(base, t, t)
	VBLENDVPS(fits, e, t, e)
	VBLENDVPS(fits, d, without, d)
	return d, m, e
}

// fitSigned writes the fit of scales to rows of eight values.
func fitSigned() {
	TEXT("fitSignedAVX2", NOSPLIT, "func(d *float32, x *float32, rows int, steps *float32, tries int, least float32, most float32, offset float32)")
	Pragma("noescape")
	peak, best, bestD := AllocLocal(32), AllocLocal(32), AllocLocal(32)
	x, rows := Load(Param("x"), GP64()), Load(Param("rows"), GP64())
	top, farthest, magnitude := YMM(), YMM(), YMM()
	clearAll(top, farthest)
	VMOVUPS(u32(0x7FFFFFFF), magnitude)
	eachRow("peak", x, rows, 4, func(row Mem) {
		v, a, farther := YMM(), YMM(), YMM()
		VMOVUPS(row, v)
		VANDPS(magnitude, v, a)
		VCMPPS(Imm(greater), top, a, farther)
		VMAXPS(a, top, top)
		VBLENDVPS(farther, v, farthest, farthest)
	})
	VMOVUPS(farthest, peak)
	t := YMM()
	VMOVUPS(f32(-1), t)
	VMOVUPS(t, best)
	clearAll(t)
	VMOVUPS(t, bestD)
	steps, tries := Load(Param("steps"), GP64()), Load(Param("tries"), GP64())
	loop("pair", tries, 2, func() {
		id, sqq, sxq := vectors(2), vectors(2), vectors(2)
		c := loadCut()
		both(func(k int) {
			VBROADCASTSS(at(steps, 4*k), id[k])
			VDIVPS(peak, id[k], id[k])
			clearAll(sqq[k], sxq[k])
		})
		eachRow("row", x, rows, 4, func(row Mem) {
			v := YMM()
			VMOVUPS(row, v)
			both(func(k int) {
				q := YMM()
				VMULPS(v, id[k], q)
				c.cut(q)
				VROUNDPS(Imm(truncate), q, q)
				VSUBPS(c.offset, q, q)
				VFMADD231PS(q, q, sqq[k])
				VMULPS(v, q, q)
				VADDPS(q, sxq[k], sxq[k])
			})
		})
		both(func(k int) {
			gain, better := YMM(), YMM()
			VMULPS(sxq[k], sxq[k], gain)
			VDIVPS(sqq[k], gain, gain) // not a number if all are zero
			VCMPPS(Imm(greater), best, gain, better)
			choose(better, gain, best)
			VDIVPS(sqq[k], sxq[k], gain)
			choose(better, gain, bestD)
		})
		ADDQ(Imm(8), steps)
	})
	d := YMM()
	VMOVUPS(peak, d)
	VANDPS(u32(0x7FFFFFFF), d, d)
	VCMPPS(Imm(greater), f32(tiny), d, d)
	VANDPS(bestD, d, d)
	VMOVUPS(d, at(Load(Param("d"), GP64()), 0))
	VZEROUPPER()
	RET()
}

// cut is what makes values numbers of a range.
type cut struct{ least, most, offset, rounding VecVirtual }

// loadCut loads the parameters least, most and offset.
func loadCut() cut {
	c := cut{YMM(), YMM(), YMM(), YMM()}
	VBROADCASTSS(scalar("least"), c.least)
	VBROADCASTSS(scalar("most"), c.most)
	VBROADCASTSS(scalar("offset"), c.offset)
	VADDPS(f32(0.5), c.offset, c.rounding)
	return c
}

// cut leaves to be rounded towards zero what is then offset above the number nearest to q.
func (c cut) cut(q VecVirtual) {
	VMAXPS(c.least, q, q)
	VMINPS(c.most, q, q)
	VADDPS(c.rounding, q, q)
}

// fitNumber writes the numbers for rows of eight values, four rows at a time, and the sums of both.
func fitNumber() {
	TEXT("numberAVX2", NOSPLIT, "func(q *byte, sumx *float32, sumq *int32, x *float32, rows int, low *float32, inverse *float32, most int32)")
	Pragma("noescape")
	x, q, rows := Load(Param("x"), GP64()), Load(Param("q"), GP64()), Load(Param("rows"), GP64())
	sumx, sumq, low, inverse, top, none, half, order := YMM(), YMM(), YMM(), YMM(), YMM(), YMM(), YMM(), YMM()
	clearAll(sumx, sumq, none)
	VMOVUPS(at(Load(Param("low"), GP64()), 0), low)
	VMOVUPS(at(Load(Param("inverse"), GP64()), 0), inverse)
	VMOVD(Load(Param("most"), GP32()), top.AsX())
	VPBROADCASTD(top.AsX(), top)
	VMOVUPS(f32(0.5), half)
	VMOVDQU(packOrder(), order)
	loop("rows", rows, 4, func() {
		n := vectors(4)
		for i, n := range n {
			VMOVUPS(at(x, 32*i), n)
			VADDPS(n, sumx, sumx)
			VADDPS(low, n, n)
			VMULPS(inverse, n, n)
			VMAXPS(none, n, n)
			VADDPS(half, n, n)
			VCVTTPS2DQ(n, n)
			VPMINSD(top, n, n)
			VPADDD(n, sumq, sumq)
		}
		packBytes(n, order, at(q, 0))
		ADDQ(Imm(32), q)
		ADDQ(U32(128), x)
	})
	VMOVUPS(sumx, at(Load(Param("sumx"), GP64()), 0))
	VMOVDQU(sumq, at(Load(Param("sumq"), GP64()), 0))
	VZEROUPPER()
	RET()
}

// fitNumberSigned is fitNumber for a range that reaches below zero.
func fitNumberSigned() {
	TEXT("numberSignedAVX2", NOSPLIT, "func(q *byte, x *float32, rows int, inverse *float32, least float32, most float32, offset float32)")
	Pragma("noescape")
	x, q, rows := Load(Param("x"), GP64()), Load(Param("q"), GP64()), Load(Param("rows"), GP64())
	inverse, above, order := YMM(), YMM(), YMM()
	VMOVUPS(at(Load(Param("inverse"), GP64()), 0), inverse)
	c := loadCut()
	VADDPS(c.least, c.offset, above)
	VCVTTPS2DQ(above, above)
	VMOVDQU(packOrder(), order)
	loop("rows", rows, 4, func() {
		n := vectors(4)
		for i, n := range n {
			VMOVUPS(at(x, 32*i), n)
			VMULPS(inverse, n, n)
			c.cut(n)
			VCVTTPS2DQ(n, n)
			VPSUBD(above, n, n)
		}
		packBytes(n, order, at(q, 0))
		ADDQ(Imm(32), q)
		ADDQ(U32(128), x)
	})
	VZEROUPPER()
	RET()
}

// fitError writes the sums of the squares of what rounding to numbers changes.
func fitError() {
	TEXT("fitErrorAVX2", NOSPLIT, "func(e *float32, q *byte, x *float32, rows int, step *float32, low *float32, zero float32)")
	Pragma("noescape")
	x, q, rows := Load(Param("x"), GP64()), Load(Param("q"), GP64()), Load(Param("rows"), GP64())
	sum, step, low, middle := YMM(), YMM(), YMM(), YMM()
	clearAll(sum)
	VMOVUPS(at(Load(Param("step"), GP64()), 0), step)
	VMOVUPS(at(Load(Param("low"), GP64()), 0), low)
	VBROADCASTSS(scalar("zero"), middle)
	loop("rows", rows, 4, func() {
		for i := range 4 {
			n := YMM()
			VPMOVZXBD(at(q, 8*i), n)
			VCVTDQ2PS(n, n)
			VSUBPS(middle, n, n)
			VMULPS(step, n, n)
			VSUBPS(low, n, n)
			VSUBPS(at(x, 32*i), n, n)
			VMULPS(n, n, n)
			VADDPS(n, sum, sum)
		}
		ADDQ(Imm(32), q)
		ADDQ(U32(128), x)
	})
	VMOVUPS(sum, at(Load(Param("e"), GP64()), 0))
	VZEROUPPER()
	RET()
}
