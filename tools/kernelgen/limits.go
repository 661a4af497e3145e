package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// limits writes loops that do nothing but reach the processor's limits, for benchmarks to compare with.
func limits() {
	// Reads n bytes, a multiple of 256.
	TEXT("read"+v.tier, NOSPLIT, "func(p *byte, n int) byte")
	Pragma("noescape")
	p, n := Load(Param("p"), GP64()), Load(Param("n"), GP64())
	sum := vectors(4)
	for _, s := range sum {
		zero(s)
	}
	xor := func(a Op, b, to VecVirtual) { VPXOR(a, b, to) }
	if v.wide() {
		xor = func(a Op, b, to VecVirtual) { VPXORD(a, b, to) }
	}
	Label("line")
	for i := range 256 / v.bytes {
		xor(at(p, v.bytes*i), sum[i%4], sum[i%4])
	}
	ADDQ(U32(256), p)
	SUBQ(U32(256), n)
	JG(LabelRef("line"))
	xor(sum[1], sum[0], sum[0])
	xor(sum[3], sum[2], sum[2])
	xor(sum[2], sum[0], sum[0])
	r := GP32()
	VMOVD(sum[0].AsX(), r)
	Store(r.As8(), ReturnIndex(0))
	VZEROUPPER()
	RET()

	// n rounds of 12 fused multiply-adds of vectors of floats.
	TEXT("peakF32"+v.tier, NOSPLIT, "func(n int)")
	n = Load(Param("n"), GP64())
	acc := vectors(12)
	for _, a := range acc {
		VXORPS(a, a, a)
	}
	x := v.register()
	VXORPS(x, x, x)
	Label("round")
	for _, a := range acc {
		VFMADD231PS(x, x, a)
	}
	DECQ(n)
	JNZ(LabelRef("round"))
	VZEROUPPER()
	RET()

	peakI8("peakI8" + v.tier)
}

// peakI8 writes n rounds of 12 multiply-adds of pairs of int16, as the 8-bit products use them.
func peakI8(title string) {
	TEXT(title, NOSPLIT, "func(n int)")
	n := Load(Param("n"), GP64())
	acc := vectors(12) // a product takes five cycles, of which two may begin in each
	for _, a := range acc {
		zero(a)
	}
	y := v.register()
	zero(y)
	Label("round")
	for i := range 12 {
		v.dot(y, y, acc[i])
	}
	DECQ(n)
	JNZ(LabelRef("round"))
	VZEROUPPER()
	RET()
}
