package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// limits writes loops that do nothing but reach the processor's limits, for benchmarks to compare with.
func limits() {
	// Reads n bytes, a multiple of 256.
	TEXT("readAVX2", NOSPLIT, "func(p *byte, n int) byte")
	Pragma("noescape")
	p, n := Load(Param("p"), GP64()), Load(Param("n"), GP64())
	sum := vectors(4)
	for _, s := range sum {
		VPXOR(s, s, s)
	}
	Label("line")
	for i := range 8 {
		VPXOR(at(p, 32*i), sum[i%4], sum[i%4])
	}
	ADDQ(U32(256), p)
	SUBQ(U32(256), n)
	JG(LabelRef("line"))
	VPXOR(sum[1], sum[0], sum[0])
	VPXOR(sum[3], sum[2], sum[2])
	VPXOR(sum[2], sum[0], sum[0])
	r := GP32()
	VMOVD(sum[0].AsX(), r)
	Store(r.As8(), ReturnIndex(0))
	VZEROUPPER()
	RET()

	// n rounds of 12 fused multiply-adds of 8 floats.
	TEXT("peakF32AVX2", NOSPLIT, "func(n int)")
	n = Load(Param("n"), GP64())
	acc := vectors(12)
	for _, a := range acc {
		VXORPS(a, a, a)
	}
	x := YMM()
	VXORPS(x, x, x)
	Label("round")
	for _, a := range acc {
		VFMADD231PS(x, x, a)
	}
	DECQ(n)
	JNZ(LabelRef("round"))
	VZEROUPPER()
	RET()

	// n rounds of 12 multiply-adds of 16 pairs of int16, as the 8-bit products use them.
	TEXT("peakI8AVX2", NOSPLIT, "func(n int)")
	n = Load(Param("n"), GP64())
	acc = vectors(6)
	for _, a := range acc {
		VPXOR(a, a, a)
	}
	y := YMM()
	VPXOR(y, y, y)
	Label("round")
	for i := range 12 {
		t := YMM()
		VPMADDWD(y, y, t)
		VPADDD(t, acc[i%6], acc[i%6])
	}
	DECQ(n)
	JNZ(LabelRef("round"))
	VZEROUPPER()
	RET()
}
