package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// f32 returns a vector of eight times the constant v.
func f32(v float64) Mem { return f32x8(math.Float32bits(float32(v))) }

// expLow is where exp comes down to the smallest normal number, expHigh where it reaches the largest. Between them 2^n
// is a normal number and can be added into the exponent.
const (
	expLow  = -87.33654
	expHigh = 88.37626
)

// exp replaces x by e^x, which stays between the smallest and (nearly) the largest normal number; NaN stays NaN.
//
// x is n·ln 2 + r with |r| <= ln 2 / 2. Adding 3·2^22 rounds x/ln 2 to n, in the low bits of the sum, from where it is
// shifted into the exponent. e^r is a polynomial of degree 6 with a relative error of 2e-9 (least squares, reweighted).
func exp(x VecVirtual) {
	t, n, p := YMM(), YMM(), YMM()
	// The operands' order keeps a NaN: min and max return the second source if one is NaN.
	VMOVUPS(f32(expHigh), t)
	VMINPS(x, t, x)
	VMOVUPS(f32(expLow), t)
	VMAXPS(x, t, x)
	VMOVUPS(f32(3<<22), t)
	VMOVAPS(t, n)
	VFMADD231PS(f32(math.Log2E), x, t)
	VSUBPS(n, t, n)
	VFNMADD231PS(f32(0.693359375), n, x)
	VFNMADD231PS(f32(-2.12194440e-4), n, x)
	VMOVUPS(f32(0.0013843605993315578), p)
	for _, c := range []float64{0.008374195545911789, 0.04166800528764725, 0.16666430234909058, 0.4999999403953552, 1, 1} {
		VFMADD213PS(f32(c), x, p)
	}
	VPSLLD(Imm(23), t, t)
	VPADDD(t, p, x)
}

// negate flips the sign of x.
func negate(x VecVirtual) { VXORPS(f32x8(1<<31), x, x) }

// silu replaces x by x/(1+e^-x).
func silu(x VecVirtual) {
	e := YMM()
	VMOVAPS(x, e)
	negate(e)
	exp(e)
	VADDPS(f32(1), e, e)
	VDIVPS(e, x, x)
}

// softplus replaces x by log(1+e^x) = max(x, 0) + log1p(u) with u = e^-|x|. log1p(u) is 2·artanh(s) with s = u/(2+u),
// at most 1/3: s times a polynomial of degree 4 in s², relative error 4e-9. Above 20 that is x, as it has to be.
func softplus(x VecVirtual) {
	u, s, p := YMM(), YMM(), YMM()
	VORPS(f32x8(1<<31), x, u)
	exp(u)
	VADDPS(f32(2), u, s)
	VDIVPS(s, u, s)
	VMULPS(s, s, u)
	VMOVUPS(f32(0.2817833423614502), p)
	for _, c := range []float64{0.27960604429244995, 0.40024909377098083, 0.6666631698608398, 2} {
		VFMADD213PS(f32(c), u, p)
	}
	VXORPS(u, u, u)
	VMAXPS(x, u, x) // NaN stays
	VFMADD231PS(p, s, x)
}

// elementwise writes the kernels on whole slices, n a multiple of 8.
func elementwise() {
	TEXT("siluMulAVX2", NOSPLIT, "func(gate *float32, up *float32, n int)")
	Pragma("noescape")
	gate, up, n := Load(Param("gate"), GP64()), Load(Param("up"), GP64()), Load(Param("n"), GP64())
	loop("k8", n, 8, func() {
		x := YMM()
		VMOVUPS(at(gate, 0), x)
		silu(x)
		VMULPS(at(up, 0), x, x)
		VMOVUPS(x, at(gate, 0))
		ADDQ(Imm(32), gate)
		ADDQ(Imm(32), up)
	})
	VZEROUPPER()
	RET()

	TEXT("softplusAVX2", NOSPLIT, "func(x *float32, n int)")
	Pragma("noescape")
	p, n := Load(Param("x"), GP64()), Load(Param("n"), GP64())
	loop("k8", n, 8, func() {
		x := YMM()
		VMOVUPS(at(p, 0), x)
		softplus(x)
		VMOVUPS(x, at(p, 0))
		ADDQ(Imm(32), p)
	})
	VZEROUPPER()
	RET()

	// x = e^(x-top), exactly 0 where that is below the smallest normal number; returns the sum.
	TEXT("expSumAVX2", NOSPLIT, "func(x *float32, n int, top float32) float32")
	Pragma("noescape")
	p, n = Load(Param("x"), GP64()), Load(Param("n"), GP64())
	top := YMM()
	addr, err := Param("top").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(addr.Addr, top)
	sum := YMM()
	VXORPS(sum, sum, sum)
	loop("k8", n, 8, func() {
		x, keep := YMM(), YMM()
		VMOVUPS(at(p, 0), x)
		VSUBPS(top, x, x)
		VCMPPS(Imm(5), f32(expLow), x, keep) // not less than: keeps NaN
		exp(x)
		VANDPS(keep, x, x)
		VADDPS(x, sum, sum)
		VMOVUPS(x, at(p, 0))
		ADDQ(Imm(32), p)
	})
	Store(lanesSum(sum), ReturnIndex(0))
	VZEROUPPER()
	RET()

	// The largest of x; n is a positive multiple of 8.
	TEXT("maxAVX2", NOSPLIT, "func(x *float32, n int) float32")
	Pragma("noescape")
	p, n = Load(Param("x"), GP64()), Load(Param("n"), GP64())
	most := YMM()
	VMOVUPS(at(p, 0), most)
	loop("k8", n, 8, func() {
		VMAXPS(at(p, 0), most, most)
		ADDQ(Imm(32), p)
	})
	half, other := XMM(), XMM()
	VEXTRACTF128(Imm(1), most, half)
	VMAXPS(most.AsX(), half, half)
	VMOVHLPS(half, half, other)
	VMAXPS(other, half, half)
	VMOVSHDUP(half, other)
	VMAXSS(other, half, half)
	Store(half, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// lanesSum returns the sum of the eight lanes of v: halves, then quarters, then neighbours.
func lanesSum(v VecVirtual) VecVirtual {
	half, other := XMM(), XMM()
	VEXTRACTF128(Imm(1), v, half)
	VADDPS(v.AsX(), half, half)
	VMOVHLPS(half, half, other)
	VADDPS(other, half, half)
	VMOVSHDUP(half, other)
	VADDSS(other, half, half)
	return half
}

// norm writes the two halves of RMSNorm; n is a multiple of 8.
func norm() {
	// The sum of squares, in four interleaved vectors of doubles.
	TEXT("sumSquaresAVX2", NOSPLIT, "func(x *float32, n int) float64")
	Pragma("noescape")
	p, n := Load(Param("x"), GP64()), Load(Param("n"), GP64())
	sum := vectors(2)
	for _, s := range sum {
		VXORPD(s, s, s)
	}
	loop("k8", n, 8, func() {
		for i, s := range sum {
			x := YMM()
			VCVTPS2PD(at(p, 16*i), x)
			VFMADD231PD(x, x, s)
		}
		ADDQ(Imm(32), p)
	})
	VADDPD(sum[1], sum[0], sum[0])
	half := XMM()
	VEXTRACTF128(Imm(1), sum[0], half)
	VADDPD(sum[0].AsX(), half, half)
	other := XMM()
	VPERMILPD(Imm(1), half, other)
	VADDSD(other, half, half)
	Store(half, ReturnIndex(0))
	VZEROUPPER()
	RET()

	// dst = weight · (x · scale).
	TEXT("scaleMulAVX2", NOSPLIT, "func(dst *float32, x *float32, weight *float32, n int, scale float32)")
	Pragma("noescape")
	dst, x, w := Load(Param("dst"), GP64()), Load(Param("x"), GP64()), Load(Param("weight"), GP64())
	n = Load(Param("n"), GP64())
	scale := YMM()
	addr, err := Param("scale").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(addr.Addr, scale)
	loop("k8", n, 8, func() {
		v := YMM()
		VMULPS(at(x, 0), scale, v)
		VMULPS(at(w, 0), v, v)
		VMOVUPS(v, at(dst, 0))
		for _, r := range []Register{dst, x, w} {
			ADDQ(Imm(32), r)
		}
	})
	VZEROUPPER()
	RET()
}
