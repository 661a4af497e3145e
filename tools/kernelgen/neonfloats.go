package main

import "jamba/tools/kernelgen/arm64"

// neonWeight is a type of weights that is widened to float32 on the way into a register.
type neonWeight struct {
	title, pointer string
	shift          int // of an index to bytes
	// fetch loads eight of them, widen makes floats of the first or second half of those.
	fetch func(a *arm64.Func, base arm64.R, off int) neonPair
	widen func(a *arm64.Func, w neonPair, half int) arm64.V
}

var (
	neonF32 = neonWeight{
		"F32", "*float32", 2,
		func(a *arm64.Func, base arm64.R, off int) neonPair {
			w := pairOf(a)
			neonLoad(a, w, base, off)
			return w
		},
		func(_ *arm64.Func, w neonPair, half int) arm64.V { return w[half] },
	}
	neonBF16 = neonHalves("BF16", "shll v?.4s, v?.4h, #16", "shll2 v?.4s, v?.8h, #16")
	neonF16  = neonHalves("F16", "fcvtl v?.4s, v?.4h", "fcvtl2 v?.4s, v?.8h")
)

// neonHalves are weights of 16 bits, eight in a register, which two instructions widen.
func neonHalves(title string, widen ...string) neonWeight {
	return neonWeight{
		title, "*byte", 1,
		func(a *arm64.Func, base arm64.R, off int) neonPair {
			v := a.V()
			a.Op("ldr q?, [x?, #]", v, base, off)
			return neonPair{v, v}
		},
		func(a *arm64.Func, w neonPair, half int) arm64.V {
			v := a.V()
			a.Op(widen[half], v, w[half])
			return v
		},
	}
}

// neonDots writes what dotF32 writes for AVX2.
func neonDots(f *arm64.File) {
	for _, w := range []neonWeight{neonF32, neonBF16, neonF16} {
		for _, n := range []int{1, 3} {
			for m := 1; m <= 4; m++ {
				neonDot(f, w, m, n)
			}
		}
		neonDot(f, w, 1, 6)
	}
}

// neonDot writes the tile of m rows of x and n of w. With weights of 16 bits, k is a multiple of 8.
func neonDot(f *arm64.File, wt neonWeight, m, n int) {
	frame := 0
	if wt.shift == 2 {
		frame = 32 * (m + n)
	}
	f.Func(name("dot", wt.title, "Nx", m, "x", n, "(dst *float32, ldd int, x *float32, ldx int, w ", wt.pointer, ", ldw int, k int)"), frame, func(a *arm64.Func) {
		x, w := a.Param("x"), a.Param("w")
		ldx, ldw, k := a.Param("ldx"), a.Param("ldw"), a.Param("k")
		xs, ws := neonRows(a, x, ldx, 2, m), neonRows(a, w, ldw, wt.shift, n)
		acc := make([][]neonPair, m)
		for i := range acc {
			for range n {
				acc[i] = append(acc[i], pairOf(a))
				for _, v := range acc[i][len(acc[i])-1] {
					a.Zero(v)
				}
			}
		}
		// Four columns of floats at a time, for which there are registers.
		step := func(xs, ws []arm64.R, xoff, woff func(row int) int) {
			var raw []neonPair
			if wt.shift == 1 {
				for j, r := range ws {
					raw = append(raw, wt.fetch(a, r, woff(j)))
				}
			}
			for half := range 2 {
				a.Scope(func() {
					var b []arm64.V
					for j, r := range ws {
						if wt.shift == 1 {
							b = append(b, wt.widen(a, raw[j], half))
							continue
						}
						b = append(b, a.V())
						a.Op("ldr q?, [x?, #]", b[j], r, woff(j)+16*half)
					}
					from := a.V()
					for i, r := range xs {
						a.Op("ldr q?, [x?, #]", from, r, xoff(i)+16*half)
						for j := range b {
							a.Op("fmla v?.4s, v?.4s, v?.4s", acc[i][j][half], from, b[j])
						}
					}
				})
			}
		}
		none := func(int) int { return 0 }
		a.Loop("k8", k, 8, func() {
			step(xs, ws, none, none)
			neonAdvance(a, 32, xs...)
			neonAdvance(a, 8<<wt.shift, ws...)
		})
		if wt.shift == 2 {
			a.Scope(func() {
				neonTail(a, k, append(xs, ws...), frame, func(buffer arm64.R) {
					at := func(r arm64.R, n int) []arm64.R {
						rows := make([]arm64.R, n)
						for i := range rows {
							rows[i] = r
						}
						return rows
					}
					step(at(buffer, m), at(buffer, n), func(i int) int { return 32 * i }, func(j int) int { return 32 * (m + j) })
				})
			})
		}
		dst, ldd := x, ldx
		a.Load("dst", dst)
		a.Load("ldd", ldd)
		for i := range m {
			for j := range n {
				a.Op("str s?, [x?, #]", neonLanesSum(a, acc[i][j]), dst, 4*j)
			}
			if i < m-1 {
				a.Go("ADD %v<<2, %v", ldd, dst)
			}
		}
	})
}

// neonTail copies the last k floats of rows, less than eight, to the stack, zeroes after them, and runs body with their
// address, rows 32 bytes apart, unless there are none.
func neonTail(a *arm64.Func, k arm64.R, rows []arm64.R, frame int, body func(buffer arm64.R)) {
	a.Go("CBZ %v, sum", k)
	buffer, to := a.R(), a.R()
	a.Go("MOVD $tail-%d(SP), %v", frame, buffer)
	a.Go("MOVD %v, %v", buffer, to)
	a.Scope(func() {
		v := a.V()
		a.Zero(v)
		for off := 0; off < frame; off += 16 {
			a.Op("str q?, [x?, #]", v, buffer, off)
		}
		a.Loop("tail", k, 1, func() {
			for i, r := range rows {
				a.Op("ldr s?, [x?, #]", v, r, 0)
				a.Op("str s?, [x?, #]", v, to, 32*i)
			}
			neonAdvance(a, 4, append(rows, to)...)
		})
	})
	body(buffer)
	a.Label("sum")
}

// neonGemms writes what gemmF32 writes for AVX2.
func neonGemms(f *arm64.File) {
	for _, wt := range []neonWeight{neonF32, neonF16} {
		for m := 1; m <= 6; m++ {
			neonGemm(f, wt, m)
		}
	}
}

// neonGemm writes the tile of m rows and 16 columns.
func neonGemm(f *arm64.File, wt neonWeight, m int) {
	f.Func(name("gemm", wt.title, "Nx", m, "(dst *float32, ldd int, x *float32, ldx int, w ", wt.pointer, ", ldw int, k int, add bool)"), 0, func(a *arm64.Func) {
		x, w, ldw, k := a.Param("x"), a.Param("w"), a.Param("ldw"), a.Param("k")
		rows := neonRows(a, x, a.Param("ldx"), 2, m)
		acc := make([][2]neonPair, m)
		for i := range acc {
			acc[i] = [2]neonPair{pairOf(a), pairOf(a)}
		}
		dst, ldd, add := a.R(), a.Param("ldd"), a.Param("add")
		output := func(move func(a *arm64.Func, v neonPair, base arm64.R, off int)) {
			a.Load("dst", dst)
			for i := range acc {
				move(a, acc[i][0], dst, 0)
				move(a, acc[i][1], dst, 32)
				if i < m-1 {
					a.Go("ADD %v<<2, %v", ldd, dst)
				}
			}
		}
		a.Go("CBZ %v, zero", add)
		output(neonLoad)
		a.Go("B start")
		a.Label("zero")
		for _, row := range acc {
			for _, v := range append(row[0][:], row[1][:]...) {
				a.Zero(v)
			}
		}
		a.Label("start")
		a.Loop("k", k, 1, func() {
			var b []arm64.V
			for part := range 2 {
				raw := wt.fetch(a, w, part*8<<wt.shift)
				b = append(b, wt.widen(a, raw, 0), wt.widen(a, raw, 1))
			}
			a.Go("ADD %v<<%d, %v", ldw, wt.shift, w)
			one := a.V()
			for i, r := range rows {
				a.Op("ld1r {v?.4s}, [x?], #4", one, r)
				for j, v := range b {
					a.Op("fmla v?.4s, v?.4s, v?.4s", acc[i][j/2][j%2], v, one)
				}
			}
		})
		output(neonStore)
	})
}
