package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// quantized writes the integer products of the fast pass: rows of activations in blocks of 32 whole numbers of 16 bits
// with a scale, times a panel of 8 weight rows with a scale and often a minimum for each block (see packed in package kernel).
// An output is one float, to which each block in ascending order adds scale·scale·(sum of products) and then, if there
// are minima, minimum·(sum of activations): the same for every tile.
func quantized() {
	for m := 1; m <= 6; m++ {
		gemmI8(m, 32, false)
	}
	for m := 1; m <= 6; m++ {
		gemmI8(m, 32, true)
	}
	for m := 1; m <= 6; m++ {
		gemmI8(m, 16, false)
	}
	for m := 1; m <= 6; m++ {
		gemmI4(m)
	}
	roundActivations()
	scalesF16()
	narrowF16()
	scalesK()
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

// prefetch is how far ahead of the products weights are fetched, in bytes.
const prefetch = 1024

// gemmI8 writes the tile of m rows of int16 and 8 rows of int8 weights, [k/2, 8, 2], with a scale for each block of 32
// or 16 weights. Weights are widened to int16 once for all rows. A block of products is at most 32·128·32767, which an int32 holds.
func gemmI8(m, block int, minima bool) {
	title := name("gemmI8x", m)
	if block != 32 {
		title = name("gemmI8b", block, "x", m)
	}
	if minima {
		title = name("gemmI8mx", m)
	}
	TEXT(title, NOSPLIT, "func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *byte, ws *float32, wm *float32, blocks int)")
	Pragma("noescape")
	o := loadOperands(m, minima)
	acc, sum := vectors(m), vectors(m)
	for _, a := range acc {
		VXORPS(a, a, a)
	}
	loop("block", o.n, 1, func() {
		for part := range 32 / block {
			for _, s := range sum {
				VPXOR(s, s, s)
			}
			weights := YMM()
			for pair := range block / 2 {
				off := part*block/2 + pair
				if off%4 == 0 {
					PREFETCHT0(at(o.w, 16*off+prefetch))
				}
				VPMOVSXBW(at(o.w, 16*off), weights)
				for i := range m {
					t := YMM()
					VPBROADCASTD(disp(o.x(i), 4*off), t)
					VPMADDWD(weights, t, t)
					VPADDD(t, sum[i], sum[i])
				}
			}
			for i := range m {
				s := YMM()
				VBROADCASTSS(o.xs(i), s)
				VMULPS(at(o.ws, 32*part), s, s)
				VCVTDQ2PS(sum[i], sum[i])
				VFMADD231PS(s, sum[i], acc[i])
			}
		}
		o.minima(acc)
		ADDQ(U32(256), o.w)
		ADDQ(Imm(uint64(32*32/block)), o.ws)
		o.next()
	})
	o.store(acc)
}

// minima adds minimum·(scale·sum) of one block to each row.
func (o *operands) minima(acc []VecVirtual) {
	if o.wm == nil {
		return
	}
	least := YMM()
	VMOVUPS(at(o.wm, 0), least)
	for i, a := range acc {
		s := YMM()
		VBROADCASTSS(disp(o.xs(i), 4), s)
		VFMADD231PS(s, least, a)
	}
	ADDQ(Imm(32), o.wm)
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

// gemmI4 writes the tile of m rows of int16 and 8 rows of 4-bit weights. A block is 8 half vectors of [8, 2] bytes; byte
// i of half vector j has weight 2j+i in its lower half and weight 16+2j+i in its upper.
func gemmI4(m int) {
	TEXT(name("gemmI4x", m), NOSPLIT, "func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *byte, ws *float32, wm *float32, blocks int)")
	Pragma("noescape")
	o := loadOperands(m, true)
	acc, sum := vectors(m), vectors(m)
	for _, a := range acc {
		VXORPS(a, a, a)
	}
	loop("block", o.n, 1, func() {
		for _, s := range sum {
			VPXOR(s, s, s)
		}
		for j := range 8 {
			if j%4 == 0 {
				PREFETCHT0(at(o.w, 16*j+prefetch))
			}
			lower, upper := YMM(), YMM()
			VPMOVZXBW(at(o.w, 16*j), lower)
			VPSRLW(Imm(4), lower, upper)
			VPAND(f32x8(0x000F000F), lower, lower)
			for half, weights := range []VecVirtual{lower, upper} {
				for i := range m {
					t := YMM()
					VPBROADCASTD(disp(o.x(i), 4*j+32*half), t)
					VPMADDWD(weights, t, t)
					VPADDD(t, sum[i], sum[i])
				}
			}
		}
		for i := range m {
			s := YMM()
			VBROADCASTSS(o.xs(i), s)
			VMULPS(at(o.ws, 0), s, s)
			VCVTDQ2PS(sum[i], sum[i])
			VFMADD231PS(s, sum[i], acc[i])
		}
		o.minima(acc)
		ADDQ(U32(128), o.w)
		ADDQ(Imm(32), o.ws)
		o.next()
	})
	o.store(acc)
}

// roundActivations writes the rounding of a row to blocks of 32 whole numbers from -32767 to 32767, each block with its
// scale and scale·sum.
func roundActivations() {
	TEXT("roundAVX2", NOSPLIT, "func(q *int16, xs *float32, x *float32, blocks int)")
	Pragma("noescape")
	q, xs, x, n := Load(Param("q"), GP64()), Load(Param("xs"), GP64()), Load(Param("x"), GP64()), Load(Param("blocks"), GP64())
	loop("block", n, 1, func() {
		v := vectors(4)
		most, a := YMM(), YMM()
		for i := range v {
			VMOVUPS(at(x, 32*i), v[i])
			if i == 0 {
				VANDPS(f32x8(0x7FFFFFFF), v[i], most)
			} else {
				VANDPS(f32x8(0x7FFFFFFF), v[i], a)
				VPMAXSD(a, most, most)
			}
		}
		// As whole numbers the bits of absolute values have the same order, and a NaN is the largest.
		half, other := XMM(), XMM()
		VEXTRACTI128(Imm(1), most, half)
		VPMAXSD(most.AsX(), half, half)
		VPSHUFD(Imm(0x4E), half, other)
		VPMAXSD(other, half, half)
		VPSHUFD(Imm(0xB1), half, other)
		VPMAXSD(other, half, half)
		// scale = most/32767, its inverse 32767/most, or 0 if that is not finite.
		scale, inverse, zero, limit := XMM(), XMM(), XMM(), XMM()
		VMOVSS(f32(32767), limit)
		VDIVSS(limit, half, scale)
		VDIVSS(half, limit, inverse)
		VXORPS(zero, zero, zero)
		VCMPSS(Imm(4), zero, half, zero) // not equal to 0
		VANDPS(zero, inverse, inverse)
		VMOVSS(scale, at(xs, 0))
		factor := YMM()
		VBROADCASTSS(inverse, factor)
		sum := YMM()
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
		VMOVSS(half, at(xs, 4))
		// Packing works within halves of a vector: the quarters are put in order after it.
		VPACKSSDW(v[1], v[0], v[0])
		VPACKSSDW(v[3], v[2], v[2])
		VPERMQ(Imm(0xD8), v[0], v[0])
		VPERMQ(Imm(0xD8), v[2], v[2])
		VMOVDQU(v[0], at(q, 0))
		VMOVDQU(v[2], at(q, 32))
		ADDQ(Imm(64), q)
		ADDQ(Imm(128), x)
		ADDQ(Imm(8), xs)
	})
	VZEROUPPER()
	RET()
}

// scalesF16 writes the widening of n vectors of eight half floats.
func scalesF16() {
	TEXT("widenF16AVX2", NOSPLIT, "func(dst *float32, src *byte, n int)")
	Pragma("noescape")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	loop("vector", n, 1, func() {
		v := YMM()
		VCVTPH2PS(at(src, 0), v)
		VMOVUPS(v, at(dst, 0))
		ADDQ(Imm(32), dst)
		ADDQ(Imm(16), src)
	})
	VZEROUPPER()
	RET()
}

// narrowF16 writes the rounding of n vectors of eight floats to half floats, to the nearest, ties to even.
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

// scalesK writes the scales and minima of K formats: for each super-block, eight half floats d and count vectors of
// eight signed bytes c give count vectors d·c.
func scalesK() {
	TEXT("scalesKAVX2", NOSPLIT, "func(dst *float32, d *byte, c *byte, count int, supers int)")
	Pragma("noescape")
	dst, d, c := Load(Param("dst"), GP64()), Load(Param("d"), GP64()), Load(Param("c"), GP64())
	supers := Load(Param("supers"), GP64())
	loop("super", supers, 1, func() {
		scale := YMM()
		VCVTPH2PS(at(d, 0), scale)
		n := Load(Param("count"), GP64())
		Label("vector")
		v := YMM()
		VPMOVSXBD(at(c, 0), v)
		VCVTDQ2PS(v, v)
		VMULPS(scale, v, v)
		VMOVUPS(v, at(dst, 0))
		ADDQ(Imm(32), dst)
		ADDQ(Imm(8), c)
		DECQ(n)
		JNZ(LabelRef("vector"))
		ADDQ(Imm(16), d)
	})
	VZEROUPPER()
	RET()
}
