package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// dequantize writes the widening of rows of blocks to float32, bit for bit as package quant does it: a product and a sum
// are rounded apart, so there are no fused operations here.
func dequantize() {
	blocks("dequantizeQ8_0AVX2", 34, func(dst, src Register) {
		d := halfScale(src, 0)
		for i := range 4 {
			v := YMM()
			VPMOVSXBD(at(src, 2+8*i), v)
			VCVTDQ2PS(v, v)
			VMULPS(d, v, v)
			VMOVUPS(v, at(dst, 32*i))
		}
	})
	blocks("dequantizeQ4_0AVX2", 18, func(dst, src Register) {
		d := halfScale(src, 0)
		nibbles(src, 2, func(i int, q VecVirtual) {
			VPSUBD(u32(8), q, q)
			VCVTDQ2PS(q, q)
			VMULPS(d, q, q)
			VMOVUPS(q, at(dst, 32*i))
		})
	})
	blocks("dequantizeQ4_1AVX2", 20, func(dst, src Register) {
		d, m := halfScale(src, 0), halfScale(src, 2)
		nibbles(src, 4, func(i int, q VecVirtual) {
			VCVTDQ2PS(q, q)
			VMULPS(d, q, q)
			VADDPS(m, q, q)
			VMOVUPS(q, at(dst, 32*i))
		})
	})
	dequantizeQ4K()
	dequantizeQ6K()
	dequantizeNumbers()
	widenBF16()
}

// widenBF16 writes the widening of n vectors of eight numbers.
func widenBF16() {
	TEXT("widenBF16AVX2", NOSPLIT, "func(dst *float32, src *byte, n int)")
	Pragma("noescape")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	loop("vector", n, 1, func() {
		v := YMM()
		weightBF16.load(at(src, 0), nil, v)
		VMOVUPS(v, at(dst, 0))
		ADDQ(Imm(16), src)
		ADDQ(Imm(32), dst)
	})
	VZEROUPPER()
	RET()
}

// blocks writes a loop over n blocks of 32 values in that many bytes.
func blocks(title string, size int, body func(dst, src Register)) {
	TEXT(title, NOSPLIT, "func(dst *float32, src *byte, n int)")
	Pragma("noescape")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	loop("block", n, 1, func() {
		body(dst, src)
		ADDQ(Imm(128), dst)
		ADDQ(Imm(uint64(size)), src)
	})
	VZEROUPPER()
	RET()
}

// halfScale returns the fp16 number off bytes after src in every lane.
func halfScale(src Register, off int) VecVirtual {
	h, d, v := GP32(), XMM(), YMM()
	MOVWLZX(at(src, off), h)
	VMOVD(h, d)
	VCVTPH2PS(d, d)
	VBROADCASTSS(d, v)
	return v
}

// nibbles hands over the lower halves of 16 bytes, then the upper, as four vectors of eight numbers.
func nibbles(src Register, off int, use func(i int, q VecVirtual)) {
	for i := range 4 {
		q := YMM()
		VPMOVZXBD(at(src, off+i%2*8), q)
		if i < 2 {
			VPAND(u32(15), q, q)
		} else {
			VPSRLD(Imm(4), q, q)
		}
		use(i, q)
	}
}

// dequantizeQ4K writes the widening of the 256 numbers of a super-block with the scales and minima of its 8 sub-blocks.
func dequantizeQ4K() {
	TEXT("dequantizeQ4KAVX2", NOSPLIT, "func(dst *float32, src *byte, scale *float32, minimum *float32)")
	Pragma("noescape")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	scale, minimum := Load(Param("scale"), GP64()), Load(Param("minimum"), GP64())
	n := GP64()
	MOVQ(U32(4), n)
	loop("pair", n, 1, func() {
		for half := range 2 {
			d, m := YMM(), YMM()
			VBROADCASTSS(at(scale, 4*half), d)
			VBROADCASTSS(at(minimum, 4*half), m)
			for i := range 4 {
				q := YMM()
				VPMOVZXBD(at(src, 8*i), q)
				if half == 0 {
					VPAND(u32(15), q, q)
				} else {
					VPSRLD(Imm(4), q, q)
				}
				VCVTDQ2PS(q, q)
				VMULPS(d, q, q)
				VSUBPS(m, q, q)
				VMOVUPS(q, at(dst, 128*half+32*i))
			}
		}
		ADDQ(Imm(32), src)
		ADDQ(Imm(8), scale)
		ADDQ(Imm(8), minimum)
		ADDQ(U32(256), dst)
	})
	VZEROUPPER()
	RET()
}

// dequantizeQ6K writes the widening of a super-block with the scales of its 16 sub-blocks of 16.
func dequantizeQ6K() {
	TEXT("dequantizeQ6KAVX2", NOSPLIT, "func(dst *float32, src *byte, scale *float32)")
	Pragma("noescape")
	dst, low, scale := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("scale"), GP64())
	high := GP64()
	LEAQ(at(low, 128), high)
	n := GP64()
	MOVQ(U32(2), n)
	loop("half", n, 1, func() {
		for quarter := range 4 { // 32 values: lower bits from 32 bytes, upper bits at 2·quarter
			for i := range 4 {
				q, h, d := YMM(), YMM(), YMM()
				VPMOVZXBD(at(low, quarter%2*32+8*i), q)
				if quarter < 2 {
					VPAND(u32(15), q, q)
				} else {
					VPSRLD(Imm(4), q, q)
				}
				VPMOVZXBD(at(high, 8*i), h)
				if quarter > 0 {
					VPSRLD(Imm(uint64(2*quarter)), h, h)
				}
				VPAND(u32(3), h, h)
				VPSLLD(Imm(4), h, h)
				VPOR(h, q, q)
				VPSUBD(u32(32), q, q)
				VCVTDQ2PS(q, q)
				VBROADCASTSS(at(scale, 4*(2*quarter+i/2)), d)
				VMULPS(d, q, q)
				VMOVUPS(q, at(dst, 128*quarter+32*i))
			}
		}
		ADDQ(Imm(64), low)
		ADDQ(Imm(32), high)
		ADDQ(Imm(32), scale)
		ADDQ(U32(512), dst)
	})
	VZEROUPPER()
	RET()
}

// dequantizeNumbers writes the widening of a block taken apart: groups of 16 signed bytes, each with a scale and a minimum.
func dequantizeNumbers() {
	TEXT("dequantizeNumbersAVX2", NOSPLIT, "func(dst *float32, src *byte, scale *float32, minimum *float32, groups int)")
	Pragma("noescape")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	scale, minimum, n := Load(Param("scale"), GP64()), Load(Param("minimum"), GP64()), Load(Param("groups"), GP64())
	loop("group", n, 1, func() {
		d, m := YMM(), YMM()
		VBROADCASTSS(at(scale, 0), d)
		VBROADCASTSS(at(minimum, 0), m)
		for i := range 2 {
			q := YMM()
			VPMOVSXBD(at(src, 8*i), q)
			VCVTDQ2PS(q, q)
			VMULPS(d, q, q)
			VSUBPS(m, q, q)
			VMOVUPS(q, at(dst, 32*i))
		}
		ADDQ(Imm(16), src)
		ADDQ(Imm(4), scale)
		ADDQ(Imm(4), minimum)
		ADDQ(Imm(64), dst)
	})
	VZEROUPPER()
	RET()
}
