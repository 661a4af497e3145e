package main

import "jamba/tools/kernelgen/arm64"

// neonConversions writes the widening and the rounding of n vectors of eight fp16 numbers.
func neonConversions(f *arm64.File) {
	f.Func("widenF16NEON(dst *float32, src *byte, n int)", 0, func(a *arm64.Func) {
		dst, src, n := a.Param("dst"), a.Param("src"), a.Param("n")
		a.Loop("vector", n, 1, func() {
			raw := neonF16.fetch(a, src, 0)
			neonStore(a, neonPair{neonF16.widen(a, raw, 0), neonF16.widen(a, raw, 1)}, dst, 0)
			neonAdvance(a, 32, dst)
			neonAdvance(a, 16, src)
		})
	})

	// To the nearest, ties to even.
	f.Func("narrowF16NEON(dst *byte, src *float32, n int)", 0, func(a *arm64.Func) {
		dst, src, n := a.Param("dst"), a.Param("src"), a.Param("n")
		a.Loop("vector", n, 1, func() {
			x := pairOf(a)
			neonLoad(a, x, src, 0)
			a.Op("fcvtn v?.4h, v?.4s", x[0], x[0])
			a.Op("fcvtn2 v?.8h, v?.4s", x[0], x[1])
			a.Op("str q?, [x?, #]", x[0], dst, 0)
			neonAdvance(a, 16, dst)
			neonAdvance(a, 32, src)
		})
	})
}

// neonLimits writes what limits writes for AVX2.
func neonLimits(f *arm64.File) {
	// Reads n bytes, a multiple of 256.
	f.Func("readNEON(p *byte, n int) byte", 0, func(a *arm64.Func) {
		p, n, sum := a.Param("p"), a.Param("n"), a.Vs(4)
		for _, s := range sum {
			a.Zero(s)
		}
		a.Loop("line", n, 256, func() {
			v := a.Vs(4)
			for i := range 16 {
				a.Op("ldr q?, [x?, #]", v[i%4], p, 16*i)
				a.Op("eor v?.16b, v?.16b, v?.16b", sum[i%4], sum[i%4], v[i%4])
			}
			neonAdvance(a, 256, p)
		})
		for _, s := range sum[1:] {
			a.Op("eor v?.16b, v?.16b, v?.16b", sum[0], sum[0], s)
		}
		a.Op("fmov w?, s?", n, sum[0])
		a.ReturnByte(n)
	})

	neonPeak(f, "peakF32NEON", "fmla v?.4s, v?.4s, v?.4s")
	neonPeak(f, "peakSDOT", "sdot v?.4s, v?.16b, v?.16b")
}

// neonPeak writes n rounds of 24 times an instruction, as many sums.
func neonPeak(f *arm64.File, title, op string) {
	f.Func(title+"(n int)", 0, func(a *arm64.Func) {
		n, acc, x := a.Param("n"), a.Vs(24), a.V()
		for _, v := range append(acc, x) {
			a.Zero(v)
		}
		a.Loop("round", n, 1, func() {
			for _, v := range acc {
				a.Op(op, v, x, x)
			}
		})
	})
}
