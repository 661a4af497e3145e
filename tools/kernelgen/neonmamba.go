package main

import "jamba/tools/kernelgen/arm64"

// neonScan writes what scan writes for AVX2.
func neonScan(f *arm64.File) {
	f.Func("scan8(y *float32, x *float32, dt *float32, stride int, z *float32, zstride int, b *float32, c *float32, ldbc int, a *float32, h *float32, d *float32, l int, s int)", 0, func(a *arm64.Func) {
		y, x, dt, z := a.Param("y"), a.Param("x"), a.Param("dt"), a.Param("z")
		b, c, l := a.Param("b"), a.Param("c"), a.Param("l")
		a.Table()
		load := func(to []arm64.V, base arm64.R) {
			for i, v := range to {
				a.Op("ldr q?, [x?, #]", v, base, 16*i)
			}
		}
		a.Loop("row", l, 1, func() {
			dtv, dtx, sum := a.Vs(4), a.Vs(4), a.Vs(4)
			load(dtv, dt)
			load(dtx, x)
			for i := range sum {
				a.Op("fmul v?.4s, v?.4s, v?.4s", dtx[i], dtx[i], dtv[i])
				a.Zero(sum[i])
			}
			a.Scope(func() {
				decay, h, s := a.Param("a"), a.Param("h"), a.Param("s")
				brow, crow := a.R(), a.R()
				a.Go("MOVD %v, %v", b, brow)
				a.Go("MOVD %v, %v", c, crow)
				a.Loop("state", s, 1, func() {
					e := a.Vs(4)
					load(e, decay)
					for i := range e {
						a.Op("fmul v?.4s, v?.4s, v?.4s", e[i], e[i], dtv[i])
					}
					neonExp(a, e...)
					one, u, before := a.V(), a.Vs(4), a.Vs(4)
					a.Op("ld1r {v?.4s}, [x?], #4", one, brow)
					load(before, h)
					for i := range e {
						a.Op("fmul v?.4s, v?.4s, v?.4s", u[i], dtx[i], one)
						a.Op("fmla v?.4s, v?.4s, v?.4s", u[i], e[i], before[i])
						a.Op("str q?, [x?, #]", u[i], h, 16*i)
					}
					a.Op("ld1r {v?.4s}, [x?], #4", one, crow)
					for i := range e {
						a.Op("fmla v?.4s, v?.4s, v?.4s", sum[i], u[i], one)
					}
					neonAdvance(a, 64, decay, h)
				})
			})
			a.Scope(func() {
				g, v := a.Vs(4), a.Vs(4)
				load(g, a.Param("d"))
				load(v, x)
				for i := range sum {
					a.Op("fmla v?.4s, v?.4s, v?.4s", sum[i], v[i], g[i])
				}
			})
			a.Scope(func() {
				g := a.Vs(4)
				load(g, z)
				neonSilu(a, g[:2]...)
				neonSilu(a, g[2:]...)
				for i := range sum {
					a.Op("fmul v?.4s, v?.4s, v?.4s", sum[i], sum[i], g[i])
					a.Op("str q?, [x?, #]", sum[i], y, 16*i)
				}
			})
			step := a.R()
			for _, rows := range []struct {
				stride string
				of     []arm64.R
			}{{"stride", []arm64.R{y, x, dt}}, {"zstride", []arm64.R{z}}, {"ldbc", []arm64.R{b, c}}} {
				a.Load(rows.stride, step)
				for _, r := range rows.of {
					a.Go("ADD %v<<2, %v", step, r)
				}
			}
		})
	})
}

// neonConv writes what conv writes for AVX2.
func neonConv(f *arm64.File) {
	f.Func("conv8(dst *float32, bias *float32, weight *float32, stride int, in **float32, w int, n int)", 0, func(a *arm64.Func) {
		dst, bias, weight, n := a.Param("dst"), a.Param("bias"), a.Param("weight"), a.Param("n")
		stride, at := a.Param("stride"), a.R()
		a.Table()
		a.Go("MOVD ZR, %v", at) // bytes into the rows
		a.Loop("channels", n, 8, func() {
			sum := pairOf(a)
			neonLoad(a, sum, bias, 0)
			in, taps, by, row := a.Param("in"), a.Param("w"), a.R(), a.R()
			a.Go("MOVD %v, %v", weight, by)
			a.Loop("tap", taps, 1, func() {
				x, w := pairOf(a), pairOf(a)
				a.Go("MOVD (%v), %v", in, row)
				a.Go("ADD %v, %v", at, row)
				neonLoad(a, x, row, 0)
				neonLoad(a, w, by, 0)
				for i := range x {
					a.Op("fmla v?.4s, v?.4s, v?.4s", sum[i], x[i], w[i])
				}
				a.Go("ADD %v<<2, %v", stride, by)
				neonAdvance(a, 8, in)
			})
			neonSilu(a, sum[:]...)
			neonStore(a, sum, dst, 0)
			neonAdvance(a, 32, dst, bias, weight, at)
		})
	})
}
