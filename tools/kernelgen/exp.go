package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// f32 returns a vector with the constant c in every word.
func f32(c float64) Mem { return u32(math.Float32bits(float32(c))) }

// expLow is where exp comes down to the smallest normal number, expHigh where it reaches the largest. Between them 2^n
// is a normal number and can be added into the exponent.
const (
	expLow  = -87.33654
	expHigh = 88.37626
)

// expShift is large enough for a float32 to have no fraction.
const expShift = 3<<22 + 127

// ln 2 in two parts, the first of which has few bits.
const (
	ln2High = 0.693359375
	ln2Low  = -2.12194440e-4
)

// Coefficients of polynomials, the highest power first.
var (
	// expPolynomial is e^r for |r| <= ln 2 / 2, with a relative error of 2e-9 (least squares, reweighted).
	expPolynomial = []float64{0.0013843605993315578, 0.008374195545911789, 0.04166800528764725, 0.16666430234909058, 0.4999999403953552, 1, 1}
	// softplusPolynomial times s is 2·artanh(s) for s² up to 1/9, with a relative error of 4e-9.
	softplusPolynomial = []float64{0.2817833423614502, 0.27960604429244995, 0.40024909377098083, 0.6666631698608398, 2}
)

// inRegisters are constants that the kernel being written keeps in registers.
var inRegisters = map[uint32]VecVirtual{}

// holdExp loads the constants of exp into registers, if there are enough, until the function that it returns is called at the
// kernel's end. The linker puts constants at multiples of 32 bytes, so in memory those of 64 bytes are two lines in some builds,
// and reading them takes twice as long.
func holdExp() (end func()) {
	if v.wide() {
		for _, c := range append([]float64{expHigh, expLow, expShift, math.Log2E, ln2High, ln2Low}, expPolynomial...) {
			bits := math.Float32bits(float32(c))
			if _, ok := inRegisters[bits]; !ok {
				x := v.register()
				VMOVUPS(f32(c), x)
				inRegisters[bits] = x
			}
		}
	}
	return func() { clear(inRegisters) }
}

// held is f32, from a register if the kernel holds the constant.
func held(c float64) Op {
	if x, ok := inRegisters[math.Float32bits(float32(c))]; ok {
		return x
	}
	return f32(c)
}

// exp replaces each x by e^x, which stays between the smallest and (nearly) the largest normal number; NaN stays NaN.
//
// x is n·ln 2 + r with |r| <= ln 2 / 2. Adding expShift rounds x/ln 2 to n. The low bits of the sum are n and the bias of
// exponents, which shifted into the exponent are 2^n. e^r is a polynomial, multiplied with it: to add n to its exponent
// would make numbers of NaNs.
func exp(xs ...VecVirtual) {
	ts, ns, ps := vectors(len(xs)), vectors(len(xs)), vectors(len(xs))
	// Step by step for all: each step of one waits for the one before.
	step := func(f func(x, t, n, p VecVirtual)) {
		for i, x := range xs {
			f(x, ts[i], ns[i], ps[i])
		}
	}
	// The operands' order keeps a NaN: min and max return the second source if one is NaN.
	step(func(x, t, _, _ VecVirtual) { VMOVUPS(held(expHigh), t); VMINPS(x, t, x) })
	step(func(x, t, _, _ VecVirtual) { VMOVUPS(held(expLow), t); VMAXPS(x, t, x) })
	step(func(x, t, n, _ VecVirtual) {
		VMOVUPS(held(expShift), t)
		VMOVAPS(t, n)
		VFMADD231PS(held(math.Log2E), x, t)
	})
	step(func(_, t, n, _ VecVirtual) { VSUBPS(n, t, n) })
	step(func(x, _, n, _ VecVirtual) { VFNMADD231PS(held(ln2High), n, x) })
	step(func(x, _, n, p VecVirtual) { VFNMADD231PS(held(ln2Low), n, x); VMOVUPS(held(expPolynomial[0]), p) })
	for _, c := range expPolynomial[1:] {
		step(func(x, _, _, p VecVirtual) { VFMADD213PS(held(c), x, p) })
	}
	step(func(x, t, _, p VecVirtual) { VPSLLD(Imm(23), t, t); VMULPS(t, p, x) })
}

// negate flips the sign of x.
func negate(x VecVirtual) { VXORPS(u32(1<<31), x, x) }

// silu replaces x by x/(1+e^-x). Where e^-x is too large for exp, it is infinite: large negative x give 0.
func silu(x VecVirtual) {
	e := v.register()
	VMOVAPS(x, e)
	negate(e)
	exp(e)
	VADDPS(held(1), e, e)
	if v.wide() {
		low := K()
		VCMPPS(Imm(less), f32(-expHigh), x, low)
		VMOVUPS(f32(math.Inf(1)), low, e)
	} else {
		low := YMM()
		VCMPPS(Imm(less), f32(-expHigh), x, low)
		VANDPS(f32(math.Inf(1)), low, low)
		VADDPS(low, e, e)
	}
	VDIVPS(e, x, x)
}

// softplus replaces x by log(1+e^x) = max(x, 0) + log1p(u) with u = e^-|x|. log1p(u) is 2·artanh(s) with s = u/(2+u),
// at most 1/3: s times a polynomial in s². Above 20 that is x, as it has to be.
func softplus(x VecVirtual) {
	u, s, p := v.register(), v.register(), v.register()
	VORPS(u32(1<<31), x, u)
	exp(u)
	VADDPS(f32(2), u, s)
	VDIVPS(s, u, s)
	VMULPS(s, s, u)
	VMOVUPS(f32(softplusPolynomial[0]), p)
	for _, c := range softplusPolynomial[1:] {
		VFMADD213PS(f32(c), u, p)
	}
	VXORPS(u, u, u)
	VMAXPS(x, u, x) // NaN stays
	VFMADD231PS(p, s, x)
}

// elementwise writes the kernels on slices; n is a multiple of 8 for AVX2.
func elementwise() {
	TEXT(name("siluMul", v.words()), NOSPLIT, "func(gate *float32, up *float32, n int)")
	Pragma("noescape")
	gate, up, n := Load(Param("gate"), GP64()), Load(Param("up"), GP64()), Load(Param("n"), GP64())
	end := holdExp()
	whole(n, func(mask OpmaskVirtual) {
		x := v.register()
		load(at(gate, 0), mask, x)
		silu(x)
		if mask == nil {
			VMULPS(at(up, 0), x, x)
		} else {
			VMULPS_Z(at(up, 0), x, mask, x)
		}
		store(x, mask, at(gate, 0))
		add(v.bytes, gate)
		add(v.bytes, up)
	})
	end()
	VZEROUPPER()
	RET()

	// x += a·y, rounded twice.
	TEXT(name("addScaled", v.words()), NOSPLIT, "func(x *float32, a float32, y *float32, n int)")
	Pragma("noescape")
	p, y := Load(Param("x"), GP64()), Load(Param("y"), GP64())
	n = Load(Param("n"), GP64())
	a := v.register()
	VBROADCASTSS(scalar("a"), a)
	whole(n, func(mask OpmaskVirtual) {
		x, ay := v.register(), v.register()
		load(at(p, 0), mask, x)
		load(at(y, 0), mask, ay)
		VMULPS(a, ay, ay)
		VADDPS(ay, x, x)
		store(x, mask, at(p, 0))
		add(v.bytes, p)
		add(v.bytes, y)
	})
	VZEROUPPER()
	RET()

	TEXT(name("softplus", v.words()), NOSPLIT, "func(x *float32, n int)")
	Pragma("noescape")
	p, n = Load(Param("x"), GP64()), Load(Param("n"), GP64())
	end = holdExp()
	whole(n, func(mask OpmaskVirtual) {
		x := v.register()
		load(at(p, 0), mask, x)
		softplus(x)
		store(x, mask, at(p, 0))
		add(v.bytes, p)
	})
	end()
	VZEROUPPER()
	RET()

	// x = e^(x-top), exactly 0 where that is below the smallest normal number; returns the sum.
	TEXT(name("expSum", v.words()), NOSPLIT, "func(x *float32, n int, top float32) float32")
	Pragma("noescape")
	p, n = Load(Param("x"), GP64()), Load(Param("n"), GP64())
	top := v.register()
	VBROADCASTSS(scalar("top"), top)
	sum := v.register()
	VXORPS(sum, sum, sum)
	const notLess = 5 // keeps NaN
	if !v.wide() {
		loop("k16", n, 16, func() {
			x := vectors(2)
			keep := vectors(2)
			for i := range x {
				VMOVUPS(at(p, 32*i), x[i])
				VSUBPS(top, x[i], x[i])
				VCMPPS(Imm(notLess), f32(expLow), x[i], keep[i])
			}
			exp(x...)
			for i := range x {
				VANDPS(keep[i], x[i], x[i])
				VADDPS(x[i], sum, sum)
				VMOVUPS(x[i], at(p, 32*i))
			}
			ADDQ(Imm(64), p)
		})
	}
	whole(n, func(mask OpmaskVirtual) {
		x := v.register()
		load(at(p, 0), mask, x)
		VSUBPS(top, x, x)
		switch {
		case !v.wide():
			keep := YMM()
			VCMPPS(Imm(notLess), f32(expLow), x, keep)
			exp(x)
			VANDPS(keep, x, x)
		case mask == nil:
			keep := K()
			VCMPPS(Imm(notLess), f32(expLow), x, keep)
			exp(x)
			VMOVAPS_Z(x, keep, x)
		default:
			keep := K()
			VCMPPS(Imm(notLess), f32(expLow), x, mask, keep)
			exp(x)
			VMOVAPS_Z(x, keep, x)
		}
		VADDPS(x, sum, sum)
		store(x, mask, at(p, 0))
		add(v.bytes, p)
	})
	Store(lanesSum(sum), ReturnIndex(0))
	VZEROUPPER()
	RET()

	// The largest of x; n is positive and, for AVX2, a multiple of 8.
	TEXT(name("max", v.words()), NOSPLIT, "func(x *float32, n int) float32")
	Pragma("noescape")
	p, n = Load(Param("x"), GP64()), Load(Param("n"), GP64())
	most := v.register()
	if v.wide() {
		VBROADCASTSS(at(p, 0), most)
	} else {
		VMOVUPS(at(p, 0), most)
	}
	whole(n, func(mask OpmaskVirtual) {
		if mask == nil {
			VMAXPS(at(p, 0), most, most)
		} else {
			VMAXPS(at(p, 0), most, mask, most)
		}
		add(v.bytes, p)
	})
	if v.wide() {
		upper := YMM()
		VEXTRACTF32X8(Imm(1), most, upper)
		VMAXPS(upper, most.AsY(), upper)
		most = upper
	}
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

// lanesSum returns the sum of the lanes of x: halves, then quarters and so on, then neighbours.
func lanesSum(x VecVirtual) VecVirtual {
	if v.wide() {
		upper := YMM()
		VEXTRACTF32X8(Imm(1), x, upper)
		VADDPS(x.AsY(), upper, upper)
		x = upper
	}
	half, other := XMM(), XMM()
	if v.wide() {
		VEXTRACTF32X4(Imm(1), x, half) // reaches all 32 registers
	} else {
		VEXTRACTF128(Imm(1), x, half)
	}
	VADDPS(x.AsX(), half, half)
	VMOVHLPS(half, half, other)
	VADDPS(other, half, half)
	VMOVSHDUP(half, other)
	VADDSS(other, half, half)
	return half
}

// norm writes the two halves of RMSNorm; n is a multiple of 8 for AVX2.
func norm() {
	// The sum of squares, in two vectors of doubles.
	TEXT(name("sumSquares", v.words()), NOSPLIT, "func(x *float32, n int) float64")
	Pragma("noescape")
	p, n := Load(Param("x"), GP64()), Load(Param("n"), GP64())
	sum := vectors(2)
	for _, s := range sum {
		VXORPD(s, s, s)
	}
	whole(n, func(mask OpmaskVirtual) {
		for i, s := range sum {
			x, from := v.register(), at(p, v.bytes/2*i)
			if mask == nil {
				VCVTPS2PD(from, x)
			} else {
				VCVTPS2PD_Z(from, mask, x)
				KSHIFTRW(Imm(8), mask, mask)
			}
			VFMADD231PD(x, x, s)
		}
		add(v.bytes, p)
	})
	VADDPD(sum[1], sum[0], sum[0])
	total := sum[0]
	if v.wide() {
		upper := YMM()
		VEXTRACTF64X4(Imm(1), total, upper)
		VADDPD(total.AsY(), upper, upper)
		total = upper
	}
	half := XMM()
	VEXTRACTF128(Imm(1), total, half)
	VADDPD(total.AsX(), half, half)
	other := XMM()
	VPERMILPD(Imm(1), half, other)
	VADDSD(other, half, half)
	Store(half, ReturnIndex(0))
	VZEROUPPER()
	RET()

	// dst = weight · (x · scale).
	TEXT(name("scaleMul", v.words()), NOSPLIT, "func(dst *float32, x *float32, weight *float32, n int, scale float32)")
	Pragma("noescape")
	dst, x, w := Load(Param("dst"), GP64()), Load(Param("x"), GP64()), Load(Param("weight"), GP64())
	n = Load(Param("n"), GP64())
	scale := v.register()
	VBROADCASTSS(scalar("scale"), scale)
	whole(n, func(mask OpmaskVirtual) {
		y := v.register()
		if mask == nil {
			VMULPS(at(x, 0), scale, y)
			VMULPS(at(w, 0), y, y)
		} else {
			VMULPS_Z(at(x, 0), scale, mask, y)
			VMULPS_Z(at(w, 0), y, mask, y)
		}
		store(y, mask, at(dst, 0))
		for _, r := range []Register{dst, x, w} {
			add(v.bytes, r)
		}
	})
	VZEROUPPER()
	RET()
}
