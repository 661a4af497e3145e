package main

import (
	"math"

	"jamba/tools/kernelgen/arm64"
)

// Integer products on arm64 multiply bytes. An activation of 16 bits is two of them: x = 256·high + low. Its block of 32
// columns is [32] higher bytes, then [32] lower ones.
//
// Beside blocks of 32 columns activations have 16 bits, and low is a byte without sign: 128 is taken off, and 128 times
// the sum of the weights, which is the same for all rows, added. Beside K formats they have 14 at most, and low has a sign.

// neonRounding writes the rounding of activations, see roundActivations and roundSuper.
func neonRounding(f *arm64.File) {
	f.Func("roundNEON(q *int16, xs *float32, x *float32, blocks int)", 0, func(a *arm64.Func) {
		q, xs, x, n := a.Param("q"), a.Param("xs"), a.Param("x"), a.Param("blocks")
		a.Table()
		limit := a.V()
		a.Const(limit, digitsMost)
		a.Loop("block", n, 1, func() { neonRound(a, q, xs, x, limit, 1) })
	})
	f.Func("roundKNEON(q *int16, xs *float32, x *float32, limit float32, blocks int)", 0, func(a *arm64.Func) {
		q, xs, x, n, limit := a.Param("q"), a.Param("xs"), a.Param("x"), a.Param("blocks"), a.Float("limit")
		a.Table()
		a.Loop("block", n, 1, func() { neonRound(a, q, xs, x, limit, 4) })
	})
}

// neonRound rounds so many times 32 numbers, which share a scale, and moves on.
func neonRound(a *arm64.Func, q, xs, x arm64.R, limit arm64.V, parts int) {
	// As integers the bits of absolute values have the same order, and a NaN is the largest.
	most, v := a.V(), a.V()
	a.Zero(most)
	for i := range 8 * parts {
		a.Op("ldr q?, [x?, #]", v, x, 16*i)
		a.Op("fabs v?.4s, v?.4s", v, v)
		a.Op("umax v?.4s, v?.4s, v?.4s", most, most, v)
	}
	a.Op("umaxv s?, v?.4s", most, most)
	a.Op("dup v?.4s, v?.s[0]", most, most)
	// The inverse of the scale is 0 if it is not finite.
	scale, inverse := a.V(), a.V()
	a.Op("fdiv v?.4s, v?.4s, v?.4s", scale, most, limit)
	a.Op("fsub v?.4s, v?.4s, v?.4s", v, most, most) // NaN, if that is not finite
	a.Op("fadd v?.4s, v?.4s, v?.4s", scale, scale, v)
	a.Op("fdiv v?.4s, v?.4s, v?.4s", inverse, limit, most)
	a.Const(v, math.Inf(1))
	a.Op("fcmgt v?.4s, v?.4s, v?.4s", v, v, inverse)
	a.Op("and v?.16b, v?.16b, v?.16b", inverse, inverse, v)
	half := a.V()
	a.Bits(half, 128<<16|128)
	for part := range parts {
		a.Scope(func() {
			sum, numbers := a.V(), a.Vs(8)
			a.Zero(sum)
			for i, v := range numbers {
				a.Op("ldr q?, [x?, #]", v, x, 128*part+16*i)
				a.Op("fmul v?.4s, v?.4s, v?.4s", v, v, inverse)
				a.Op("fcvtns v?.4s, v?.4s", v, v)
				a.Op("add v?.4s, v?.4s, v?.4s", sum, sum, v)
			}
			a.Op("addv s?, v?.4s", sum, sum)
			a.Op("scvtf v?.4s, v?.4s", sum, sum)
			a.Op("fmul v?.4s, v?.4s, v?.4s", sum, sum, scale)
			a.Op("str s?, [x?, #]", scale, xs, 8*part)
			a.Op("str s?, [x?, #]", sum, xs, 8*part+4)
			for i := range 2 {
				n := numbers[4*i : 4*i+4]
				for j := 0; j < 4; j += 2 {
					a.Op("sqxtn v?.4h, v?.4s", n[j], n[j])
					a.Op("sqxtn2 v?.8h, v?.4s", n[j], n[j+1])
				}
				a.Op("uzp1 v?.16b, v?.16b, v?.16b", n[1], n[0], n[2])
				if parts > 1 { // the lower byte counts from -128
					a.Op("add v?.8h, v?.8h, v?.8h", n[0], n[0], half)
					a.Op("add v?.8h, v?.8h, v?.8h", n[2], n[2], half)
				}
				a.Op("uzp2 v?.16b, v?.16b, v?.16b", n[0], n[0], n[2])
				a.Op("str q?, [x?, #]", n[0], q, 64*part+16*i)
				a.Op("str q?, [x?, #]", n[1], q, 64*part+32+16*i)
			}
		})
	}
	neonAdvance(a, 64*parts, q)
	neonAdvance(a, 8*parts, xs)
	neonAdvance(a, 128*parts, x)
}

// neonScalesK writes scalesK.
func neonScalesK(f *arm64.File) {
	f.Func("scalesKNEON(dst *float32, d *byte, c *byte, count int, supers int)", 0, func(a *arm64.Func) {
		dst, d, c, supers := a.Param("dst"), a.Param("d"), a.Param("c"), a.Param("supers")
		a.Loop("super", supers, 1, func() {
			raw := neonF16.fetch(a, d, 0)
			scale := neonPair{neonF16.widen(a, raw, 0), neonF16.widen(a, raw, 1)}
			n := a.Param("count")
			a.Loop("vector", n, 1, func() {
				x := neonBytes(a, c, 0)
				for i, v := range x {
					a.Op("scvtf v?.4s, v?.4s", v, v)
					a.Op("fmul v?.4s, v?.4s, v?.4s", v, v, scale[i])
				}
				neonStore(a, x, dst, 0)
				neonAdvance(a, 32, dst)
				neonAdvance(a, 8, c)
			})
			neonAdvance(a, 16, d)
		})
	})
}

// neonBytes loads eight signed bytes as words.
func neonBytes(a *arm64.Func, base arm64.R, off int) neonPair {
	v := pairOf(a)
	a.Op("ldr d?, [x?, #]", v[0], base, off)
	a.Op("sxtl v?.8h, v?.8b", v[0], v[0])
	a.Op("sxtl2 v?.4s, v?.8h", v[1], v[0])
	a.Op("sxtl v?.4s, v?.4h", v[0], v[0])
	return v
}

// neonFormat is how weights lie in panels of eight rows and what they are multiplied with.
type neonFormat struct {
	title  string
	bits   int // of a weight: 4 or 8
	sub    int // columns of the integers that share a scale
	minima bool
	super  bool // a K format, see superFormat
}

func neonSuper(f superFormat) neonFormat {
	return neonFormat{f.title, f.width(), f.sub, f.minima, true}
}

// neonProducts writes the tiles for few rows of activations.
func neonProducts(f *arm64.File) {
	for _, format := range []neonFormat{
		{"gemmI8", 8, 32, false, false},
		{"gemmI8m", 8, 32, true, false},
		{"gemmI4", 4, 32, true, false},
		neonSuper(q4k), neonSuper(q5k), neonSuper(q6k),
	} {
		for m := 1; m <= format.rows(); m++ {
			neonSDOT(f, format, m)
		}
	}
}

// rows is how many rows of activations there are registers for.
func (f neonFormat) rows() int {
	if f.bits == 4 || f.super {
		return 2
	}
	return 3
}

// neonTile is what a tile of SDOT has in registers.
type neonTile struct {
	*arm64.Func
	neonFormat
	x    []arm64.R
	w    arm64.R
	flip arm64.V // bytes of 128, for activations of 16 bits
	mask arm64.V // bytes of 15, for weights of 4
}

// neonSDOT writes the tile of m rows of activations and a panel, see quantized and superblocks: the integers are the same,
// and so is what is done with them.
func neonSDOT(f *arm64.File, format neonFormat, m int) {
	sc := ""
	if format.super {
		sc = "sc *byte, "
	}
	f.Func(name(format.title, "Nx", m, "(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *byte, ", sc, "ws *float32, wm *float32, blocks int)"), 0, func(a *arm64.Func) {
		t := neonTile{Func: a, neonFormat: format, x: neonRows(a, a.Param("x"), a.Param("ldx"), 0, m), w: a.Param("w")}
		xs := neonRows(a, a.Param("xs"), a.Param("ldxs"), 2, m)
		ws, n := a.Param("ws"), a.Param("blocks")
		var wm, sub arm64.R
		if format.minima {
			wm = a.Param("wm")
		}
		acc := make([]neonPair, m)
		for i := range acc {
			acc[i] = pairOf(a)
			a.Zero(acc[i][0])
			a.Zero(acc[i][1])
		}
		if format.bits == 4 {
			t.mask = a.V()
			a.Op("movi v?.16b, #", t.mask, 15)
		}
		if format.super {
			sub = a.Param("sc")
		} else {
			t.flip = a.V()
			a.Op("movi v?.16b, #", t.flip, 128)
		}
		parts := 1
		if format.super {
			parts = 4
		}
		a.Loop("block", n, 1, func() {
			var all []neonPair
			if format.super {
				all = t.scaled(sub)
			} else {
				all = t.sums(0, 32)
				t.next()
			}
			scale, one := pairOf(a), a.V()
			for i, sum := range all {
				a.Op("ldr s?, [x?, #]", one, xs[i], 0)
				a.Op("dup v?.4s, v?.s[0]", one, one)
				neonLoad(a, scale, ws, 0)
				for h := range 2 {
					a.Op("fmul v?.4s, v?.4s, v?.4s", scale[h], scale[h], one)
					a.Op("scvtf v?.4s, v?.4s", sum[h], sum[h])
					a.Op("fmla v?.4s, v?.4s, v?.4s", acc[i][h], sum[h], scale[h])
				}
			}
			for part := 0; part < parts && format.minima; part++ {
				neonLoad(a, scale, wm, 32*part)
				for i, r := range xs {
					a.Op("ldr s?, [x?, #]", one, r, 8*part+4)
					a.Op("dup v?.4s, v?.s[0]", one, one)
					for h := range 2 {
						a.Op("fmla v?.4s, v?.4s, v?.4s", acc[i][h], scale[h], one)
					}
				}
			}
			neonAdvance(a, 32, ws)
			neonAdvance(a, 8*parts, xs...)
			if format.minima {
				neonAdvance(a, 32*parts, wm)
			}
		})
		dst, ldd := ws, n
		a.Load("dst", dst)
		a.Load("ldd", ldd)
		for i, v := range acc {
			neonStore(a, v, dst, 0)
			if i < m-1 {
				a.Go("ADD %v<<2, %v", ldd, dst)
			}
		}
	})
}

// next moves on by 32 columns.
func (t *neonTile) next() {
	neonAdvance(t.Func, 64, t.x...)
	neonAdvance(t.Func, 32*t.bits, t.w)
}

// scaled returns the sums over 128 columns, those of each sub-block multiplied by its scale, from sc on.
func (t *neonTile) scaled(sc arm64.R) []neonPair {
	all := make([]neonPair, len(t.x))
	for i := range all {
		all[i] = pairOf(t.Func)
		t.Zero(all[i][0])
		t.Zero(all[i][1])
	}
	count := t.R()
	t.Go("MOVD $4, %v", count)
	t.Loop("columns", count, 1, func() {
		for at := 0; at < 32; at += t.sub {
			t.Scope(func() {
				sums := t.sums(at, at+t.sub)
				by := neonBytes(t.Func, sc, at/t.sub*8)
				for i, sum := range sums {
					for h, v := range sum {
						t.Op("mla v?.4s, v?.4s, v?.4s", all[i][h], v, by[h])
					}
				}
			})
		}
		t.next()
		neonAdvance(t.Func, 32/t.sub*8, sc)
	})
	return all
}

// sums returns the integer products of the columns [from, to) of a block of 32, of each row of activations.
func (t *neonTile) sums(from, to int) []neonPair {
	high, low := make([]neonPair, len(t.x)), make([]neonPair, len(t.x))
	for i := range high {
		high[i], low[i] = pairOf(t.Func), pairOf(t.Func)
		for h := range 2 {
			t.Zero(high[i][h])
			t.Zero(low[i][h])
		}
	}
	var weights neonPair // their sums times -128
	if !t.super {
		weights = pairOf(t.Func)
		t.Zero(weights[0])
		t.Zero(weights[1])
	}
	t.Scope(func() {
		// 16 columns of activations are in two registers of each row, of which SDOT takes four at a time.
		type columns struct{ high, low []arm64.V }
		load := func(column int) columns {
			c := columns{t.Vs(len(t.x)), t.Vs(len(t.x))}
			for i, r := range t.x {
				t.Op("ldr q?, [x?, #]", c.high[i], r, column)
				t.Op("ldr q?, [x?, #]", c.low[i], r, 32+column)
				if !t.super {
					t.Op("eor v?.16b, v?.16b, v?.16b", c.low[i], c.low[i], t.flip)
				}
			}
			return c
		}
		multiply := func(w neonPair, c columns, four int) {
			for i := range t.x {
				for h := range 2 {
					t.Op("sdot v?.4s, v?.16b, v?.4b[#]", high[i][h], w[h], c.high[i], four)
					t.Op("sdot v?.4s, v?.16b, v?.4b[#]", low[i][h], w[h], c.low[i], four)
				}
			}
			for h := 0; h < 2 && !t.super; h++ {
				t.Op("sdot v?.4s, v?.16b, v?.16b", weights[h], w[h], t.flip)
			}
		}
		if t.bits == 4 {
			first, second := load(0), load(16)
			for four := range 4 {
				t.Scope(func() {
					w, upper := t.fours(32*four), pairOf(t.Func)
					for h := range 2 {
						t.Op("ushr v?.16b, v?.16b, #4", upper[h], w[h])
						t.Op("and v?.16b, v?.16b, v?.16b", w[h], w[h], t.mask)
					}
					multiply(w, first, four)
					multiply(upper, second, four)
				})
			}
			return
		}
		for at := from; at < to; at += 16 {
			t.Scope(func() {
				c := load(at)
				for four := range 4 {
					t.Scope(func() { multiply(t.fours(8*at+32*four), c, four) })
				}
			})
		}
	})
	for i := range high {
		for h := range 2 {
			t.Op("shl v?.4s, v?.4s, #", high[i][h], high[i][h], 8)
			t.Op("add v?.4s, v?.4s, v?.4s", high[i][h], high[i][h], low[i][h])
			if !t.super {
				t.Op("sub v?.4s, v?.4s, v?.4s", high[i][h], high[i][h], weights[h])
			}
		}
	}
	return high
}

// fours loads two vectors of pairs of columns and returns four columns of each row.
func (t *neonTile) fours(off int) neonPair {
	w := pairOf(t.Func)
	t.Scope(func() {
		first, second := t.V(), t.V()
		t.Op("ldr q?, [x?, #]", first, t.w, off)
		t.Op("ldr q?, [x?, #]", second, t.w, off+16)
		t.Op("zip1 v?.8h, v?.8h, v?.8h", w[0], first, second)
		t.Op("zip2 v?.8h, v?.8h, v?.8h", w[1], first, second)
	})
	return w
}
