package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// roundWide writes roundActivations and roundSuper for vectors of 512 bits.
func roundWide() {
	TEXT("roundAVX512", NOSPLIT, "func(q *int16, xs *float32, x *float32, blocks int)")
	Pragma("noescape")
	q, xs, x, n := Load(Param("q"), GP64()), Load(Param("xs"), GP64()), Load(Param("x"), GP64()), Load(Param("blocks"), GP64())
	loop("block", n, 1, func() {
		roundUnit(q, xs, x, f32(digitsMost), 1)
		ADDQ(Imm(64), q)
		ADDQ(U32(128), x)
		ADDQ(Imm(8), xs)
	})
	VZEROUPPER()
	RET()

	TEXT("roundKAVX512", NOSPLIT, "func(q *int16, xs *float32, x *float32, limit float32, blocks int)")
	Pragma("noescape")
	q, xs, x, n = Load(Param("q"), GP64()), Load(Param("xs"), GP64()), Load(Param("x"), GP64()), Load(Param("blocks"), GP64())
	loop("block", n, 1, func() {
		roundUnit(q, xs, x, scalar("limit"), 4)
		ADDQ(U32(256), q)
		ADDQ(U32(512), x)
		ADDQ(Imm(32), xs)
	})
	VZEROUPPER()
	RET()
}

// scaled loads so many times 32 numbers that share a scale, and returns it and what to multiply them by.
func scaled(x Register, limit Mem, parts int) (numbers []VecVirtual, scale, factor VecVirtual) {
	numbers = vectors(2 * parts)
	most, one := ZMM(), XMM()
	for i, v := range numbers {
		VMOVUPS(at(x, 64*i), v)
		if i == 0 {
			VPANDD(u32(0x7FFFFFFF), v, most)
		} else {
			a := ZMM()
			VPANDD(u32(0x7FFFFFFF), v, a)
			VPMAXSD(a, most, most)
		}
	}
	VMOVSS(limit, one)
	scale, factor = roundScale(fold(most, func(a, b, to Op) { VPMAXSD(a, b, to) }), one)
	return numbers, scale, factor
}

// roundUnit rounds so many times 32 numbers that share a scale.
func roundUnit(q, xs, x Register, limit Mem, parts int) {
	numbers, scale, factor := scaled(x, limit, parts)
	for part := range parts {
		sum := ZMM()
		for i, v := range numbers[2*part : 2*part+2] {
			VMULPS(factor, v, v)
			VCVTPS2DQ(v, v)
			VPMOVSDW(v, at(q, 64*part+32*i))
		}
		VPADDD(numbers[2*part], numbers[2*part+1], sum)
		all := fold(sum, func(a, b, to Op) { VPADDD(a, b, to) })
		VCVTDQ2PS(all, all)
		VMULSS(scale, all, all)
		VMOVSS(scale, at(xs, 8*part))
		VMOVSS(all, at(xs, 8*part+4))
	}
}

// fold joins the words of a vector, which it overwrites.
func fold(x VecVirtual, join func(a, b, to Op)) VecVirtual {
	half, other := YMM(), XMM()
	VEXTRACTI64X4(Imm(1), x, half)
	join(x.AsY(), half, half)
	VEXTRACTI128(Imm(1), half, other)
	join(half.AsX(), other, other)
	swapped := XMM()
	for _, order := range []uint64{0x4E, 0xB1} {
		VPSHUFD(Imm(order), other, swapped)
		join(swapped, other, other)
	}
	return other
}
