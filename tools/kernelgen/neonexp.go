package main

import (
	"math"

	"jamba/tools/kernelgen/arm64"
)

// neonExp is exp of several vectors, step by step: one has to wait for each of its own. It takes three registers for each
// and one more.
func neonExp(a *arm64.Func, xs ...arm64.V) {
	a.Scope(func() {
		t, n, p, c := a.Vs(len(xs)), a.Vs(len(xs)), a.Vs(len(xs)), a.V()
		all := func(step func(i int)) {
			for i := range xs {
				step(i)
			}
		}
		a.Const(c, expHigh)
		all(func(i int) { a.Op("fmin v?.4s, v?.4s, v?.4s", xs[i], xs[i], c) })
		a.Const(c, expLow)
		all(func(i int) { a.Op("fmax v?.4s, v?.4s, v?.4s", xs[i], xs[i], c) })
		all(func(i int) { a.Const(t[i], expShift) })
		a.Const(c, math.Log2E)
		all(func(i int) { a.Op("fmla v?.4s, v?.4s, v?.4s", t[i], xs[i], c) })
		a.Const(c, expShift)
		all(func(i int) { a.Op("fsub v?.4s, v?.4s, v?.4s", n[i], t[i], c) })
		for _, part := range []float64{ln2High, ln2Low} {
			a.Const(c, part)
			all(func(i int) { a.Op("fmls v?.4s, v?.4s, v?.4s", xs[i], n[i], c) })
		}
		all(func(i int) { a.Const(p[i], expPolynomial[0]) })
		for _, coefficient := range expPolynomial[1:] {
			all(func(i int) { a.Const(n[i], coefficient) })
			all(func(i int) { a.Op("fmla v?.4s, v?.4s, v?.4s", n[i], p[i], xs[i]) })
			p, n = n, p
		}
		all(func(i int) { a.Op("shl v?.4s, v?.4s, #", t[i], t[i], 23) })
		all(func(i int) { a.Op("fmul v?.4s, v?.4s, v?.4s", xs[i], t[i], p[i]) })
	})
}

// neonSilu is silu of several vectors.
func neonSilu(a *arm64.Func, xs ...arm64.V) {
	a.Scope(func() {
		e := a.Vs(len(xs))
		for i, x := range xs {
			a.Op("fneg v?.4s, v?.4s", e[i], x)
		}
		neonExp(a, e...)
		c, low := a.V(), a.V()
		for i, x := range xs {
			a.Const(c, 1)
			a.Op("fadd v?.4s, v?.4s, v?.4s", e[i], e[i], c)
			a.Const(c, -expHigh)
			a.Op("fcmgt v?.4s, v?.4s, v?.4s", low, c, x)
			a.Const(c, math.Inf(1))
			a.Op("and v?.16b, v?.16b, v?.16b", low, low, c)
			a.Op("fadd v?.4s, v?.4s, v?.4s", e[i], e[i], low)
			a.Op("fdiv v?.4s, v?.4s, v?.4s", x, x, e[i])
		}
	})
}

// neonSoftplus is softplus of several vectors.
func neonSoftplus(a *arm64.Func, xs ...arm64.V) {
	a.Scope(func() {
		u, c := a.Vs(len(xs)), a.V()
		a.Bits(c, 1<<31)
		for i, x := range xs {
			a.Op("orr v?.16b, v?.16b, v?.16b", u[i], x, c)
		}
		neonExp(a, u...)
		for i, x := range xs {
			a.Scope(func() {
				s, p, next := a.V(), a.V(), a.V()
				a.Const(c, 2)
				a.Op("fadd v?.4s, v?.4s, v?.4s", s, u[i], c)
				a.Op("fdiv v?.4s, v?.4s, v?.4s", s, u[i], s)
				a.Op("fmul v?.4s, v?.4s, v?.4s", u[i], s, s)
				a.Const(p, softplusPolynomial[0])
				for _, coefficient := range softplusPolynomial[1:] {
					a.Const(next, coefficient)
					a.Op("fmla v?.4s, v?.4s, v?.4s", next, p, u[i])
					p, next = next, p
				}
				a.Zero(c)
				a.Op("fmax v?.4s, v?.4s, v?.4s", x, x, c) // NaN stays
				a.Op("fmla v?.4s, v?.4s, v?.4s", x, p, s)
			})
		}
	})
}

// neonElementwise writes the kernels on slices; n is a multiple of 8.
func neonElementwise(f *arm64.File) {
	f.Func("siluMul8(gate *float32, up *float32, n int)", 0, func(a *arm64.Func) {
		gate, up, n := a.Param("gate"), a.Param("up"), a.Param("n")
		a.Table()
		a.Loop("vector", n, 8, func() {
			x, y := pairOf(a), pairOf(a)
			neonLoad(a, x, gate, 0)
			neonSilu(a, x[:]...)
			neonLoad(a, y, up, 0)
			for i := range x {
				a.Op("fmul v?.4s, v?.4s, v?.4s", x[i], x[i], y[i])
			}
			neonStore(a, x, gate, 0)
			neonAdvance(a, 32, gate, up)
		})
	})

	f.Func("softplus8(x *float32, n int)", 0, func(a *arm64.Func) {
		p, n := a.Param("x"), a.Param("n")
		a.Table()
		a.Loop("vector", n, 8, func() {
			x := pairOf(a)
			neonLoad(a, x, p, 0)
			neonSoftplus(a, x[:]...)
			neonStore(a, x, p, 0)
			neonAdvance(a, 32, p)
		})
	})

	// x = e^(x-top), exactly 0 where that is below the smallest normal number; returns the sum.
	f.Func("expSum8(x *float32, n int, top float32) float32", 0, func(a *arm64.Func) {
		p, n, top := a.Param("x"), a.Param("n"), a.Float("top")
		a.Table()
		sum, low := pairOf(a), a.V()
		a.Zero(sum[0])
		a.Zero(sum[1])
		a.Const(low, expLow)
		a.Loop("vector", n, 8, func() {
			x, drop := pairOf(a), pairOf(a)
			neonLoad(a, x, p, 0)
			for i := range x {
				a.Op("fsub v?.4s, v?.4s, v?.4s", x[i], x[i], top)
				a.Op("fcmgt v?.4s, v?.4s, v?.4s", drop[i], low, x[i]) // not NaN
			}
			neonExp(a, x[:]...)
			for i := range x {
				a.Op("bic v?.16b, v?.16b, v?.16b", x[i], x[i], drop[i])
				a.Op("fadd v?.4s, v?.4s, v?.4s", sum[i], sum[i], x[i])
			}
			neonStore(a, x, p, 0)
			neonAdvance(a, 32, p)
		})
		a.Return(neonLanesSum(a, sum))
	})

	// The largest of x; n is positive.
	f.Func("max8(x *float32, n int) float32", 0, func(a *arm64.Func) {
		p, n, most := a.Param("x"), a.Param("n"), pairOf(a)
		neonLoad(a, most, p, 0)
		a.Loop("vector", n, 8, func() {
			x := pairOf(a)
			neonLoad(a, x, p, 0)
			for i := range x {
				a.Op("fmax v?.4s, v?.4s, v?.4s", most[i], most[i], x[i])
			}
			neonAdvance(a, 32, p)
		})
		a.Op("fmax v?.4s, v?.4s, v?.4s", most[0], most[0], most[1])
		a.Op("fmaxv s?, v?.4s", most[0], most[0])
		a.Return(most[0])
	})
}

// neonNorm writes the two halves of RMSNorm; n is a multiple of 8.
func neonNorm(f *arm64.File) {
	// The sum of squares, in four vectors of two doubles.
	f.Func("sumSquares8(x *float32, n int) float64", 0, func(a *arm64.Func) {
		p, n, sum := a.Param("x"), a.Param("n"), a.Vs(4)
		for _, s := range sum {
			a.Zero(s)
		}
		a.Loop("vector", n, 8, func() {
			x, wide := pairOf(a), a.V()
			neonLoad(a, x, p, 0)
			for i, s := range sum {
				a.Op([]string{"fcvtl v?.2d, v?.2s", "fcvtl2 v?.2d, v?.4s"}[i%2], wide, x[i/2])
				a.Op("fmla v?.2d, v?.2d, v?.2d", s, wide, wide)
			}
			neonAdvance(a, 32, p)
		})
		for _, add := range [][2]int{{0, 2}, {1, 3}, {0, 1}} {
			a.Op("fadd v?.2d, v?.2d, v?.2d", sum[add[0]], sum[add[0]], sum[add[1]])
		}
		a.Op("faddp d?, v?.2d", sum[0], sum[0])
		a.Return(sum[0])
	})

	// dst = weight · (x · scale).
	f.Func("scaleMul8(dst *float32, x *float32, weight *float32, n int, scale float32)", 0, func(a *arm64.Func) {
		dst, x, w, n, scale := a.Param("dst"), a.Param("x"), a.Param("weight"), a.Param("n"), a.Float("scale")
		a.Loop("vector", n, 8, func() {
			y, by := pairOf(a), pairOf(a)
			neonLoad(a, y, x, 0)
			neonLoad(a, by, w, 0)
			for i := range y {
				a.Op("fmul v?.4s, v?.4s, v?.4s", y[i], y[i], scale)
				a.Op("fmul v?.4s, v?.4s, v?.4s", y[i], y[i], by[i])
			}
			neonStore(a, y, dst, 0)
			neonAdvance(a, 32, dst, x, w)
		})
	})
}
