package main

import "jamba/tools/kernelgen/arm64"

// neonConversions writes the widening and the rounding of n vectors of eight fp16 numbers, and the widening of n blocks of
// Q8_0.
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

	f.Func("dequantizeQ8_0NEON(dst *float32, src *byte, n int)", 0, func(a *arm64.Func) {
		dst, src, n, q := a.Param("dst"), a.Param("src"), a.Param("n"), a.R()
		a.Loop("block", n, 1, func() {
			scale := a.V()
			a.Op("ldr h?, [x?, #]", scale, src, 0)
			a.Op("fcvtl v?.4s, v?.4h", scale, scale)
			a.Op("dup v?.4s, v?.s[0]", scale, scale)
			a.Go("ADD $2, %v, %v", src, q)
			for i := range 4 {
				x := neonBytes(a, q, 8*i)
				for _, v := range x {
					a.Op("scvtf v?.4s, v?.4s", v, v)
					a.Op("fmul v?.4s, v?.4s, v?.4s", v, v, scale)
				}
				neonStore(a, x, dst, 32*i)
			}
			neonAdvance(a, 34, src)
			neonAdvance(a, 128, dst)
		})
	})
}
