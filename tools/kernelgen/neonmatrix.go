package main

import "jamba/tools/kernelgen/arm64"

// neonMatrices writes the products of many rows of activations by instructions that multiply two rows of eight bytes with
// two others (I8MM): four rows at a time, with weights that have been arranged for it. Integers, floats and their order
// are those of neonProducts; beside blocks of 32 columns the lower byte stays without sign, which USMMLA takes.
func neonMatrices(f *arm64.File) {
	neonArrange(f, 8)
	neonArrange(f, 4)
	for _, format := range []neonFormat{
		{"gemmI8MM", 8, 32, false, false},
		{"gemmI8MMm", 8, 32, true, false},
		{"gemmI8MMKm", 8, 32, true, true},
		{"gemmI8MMK", 8, 16, false, true},
	} {
		neonMatrix(f, format)
	}
	neonPeak(f, "peakI8MM", "smmla v?.4s, v?.16b, v?.16b")
}

// neonArrange writes the arrangement of blocks of 32 columns of a panel as bytes, [4, 4, 2, 8]: of eight columns each two
// rows of weights together.
func neonArrange(f *arm64.File, bits int) {
	f.Func(name("arrangeI", bits, "NEON(dst *int16, w *byte, blocks int)"), 0, func(a *arm64.Func) {
		dst, w, n := a.Param("dst"), a.Param("w"), a.Param("blocks")
		mask := a.V()
		a.Op("movi v?.16b, #", mask, 15)
		a.Loop("block", n, 1, func() {
			for eight := range bits / 2 {
				a.Scope(func() {
					// Pairs of columns become fours, those eights.
					pair, four, rows := a.Vs(4), a.Vs(4), a.Vs(4)
					for i, v := range pair {
						a.Op("ldr q?, [x?, #]", v, w, 64*eight+16*i)
					}
					for i := range 2 {
						a.Op("zip1 v?.8h, v?.8h, v?.8h", four[i], pair[2*i], pair[2*i+1])
						a.Op("zip2 v?.8h, v?.8h, v?.8h", four[2+i], pair[2*i], pair[2*i+1])
					}
					for i := range 2 {
						a.Op("zip1 v?.4s, v?.4s, v?.4s", rows[2*i], four[2*i], four[2*i+1])
						a.Op("zip2 v?.4s, v?.4s, v?.4s", rows[2*i+1], four[2*i], four[2*i+1])
					}
					for i, v := range rows {
						if bits == 4 { // the upper halves are 16 columns on
							upper := pair[i]
							a.Op("ushr v?.16b, v?.16b, #4", upper, v)
							a.Op("and v?.16b, v?.16b, v?.16b", v, v, mask)
							a.Op("str q?, [x?, #]", upper, dst, 128+64*eight+16*i)
						}
						a.Op("str q?, [x?, #]", v, dst, 64*eight+16*i)
					}
				})
			}
			neonAdvance(a, 32*bits, w)
			neonAdvance(a, 256, dst)
		})
	})
}

// neonMatrix writes the tile of four rows of activations: two pairs of rows, ldx bytes apart, whose blocks of 32 columns are
// [2, 4, 2, 8] bytes, the higher ones first, of eight columns both rows together. The floats stay in memory.
func neonMatrix(f *arm64.File, format neonFormat) {
	sc, parts := "", 1
	if format.super {
		sc, parts = "sc *byte, ", 4
	}
	f.Func(name(format.title, "(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *int16, ", sc, "ws *float32, wm *float32, blocks int, add bool)"), 0, func(a *arm64.Func) {
		t := neonMatrixTile{Func: a, neonFormat: format}
		t.x = neonRows(a, a.Param("x"), a.Param("ldx"), 0, 2)
		xs := neonRows(a, a.Param("xs"), a.Param("ldxs"), 2, 4)
		dst := neonRows(a, a.Param("dst"), a.Param("ldd"), 2, 4)
		t.w = a.Param("w")
		ws, n := a.Param("ws"), a.Param("blocks")
		var wm, sub arm64.R
		if format.minima {
			wm = a.Param("wm")
		}
		if format.super {
			sub = a.Param("sc")
		}
		a.Scope(func() {
			a.Go("CBNZ %v, start", a.Param("add"))
			none := a.V()
			a.Zero(none)
			for _, r := range dst {
				neonStore(a, neonPair{none, none}, r, 0)
			}
			a.Label("start")
		})
		a.Loop("block", n, 1, func() {
			var all [4]neonPair
			if format.super {
				all = t.scaled(sub)
			} else {
				all = t.rows(t.sums(0, 32))
				t.next()
			}
			scale, by, one, acc := pairOf(a), pairOf(a), a.V(), pairOf(a)
			neonLoad(a, scale, ws, 0)
			for i, sum := range all {
				neonLoad(a, acc, dst[i], 0)
				a.Op("ldr s?, [x?, #]", one, xs[i], 0)
				a.Op("dup v?.4s, v?.s[0]", one, one)
				for h := range 2 {
					a.Op("fmul v?.4s, v?.4s, v?.4s", by[h], scale[h], one)
					a.Op("scvtf v?.4s, v?.4s", sum[h], sum[h])
					a.Op("fmla v?.4s, v?.4s, v?.4s", acc[h], sum[h], by[h])
				}
				for part := 0; part < parts && format.minima; part++ {
					neonLoad(a, by, wm, 32*part)
					a.Op("ldr s?, [x?, #]", one, xs[i], 8*part+4)
					a.Op("dup v?.4s, v?.s[0]", one, one)
					for h := range 2 {
						a.Op("fmla v?.4s, v?.4s, v?.4s", acc[h], by[h], one)
					}
				}
				neonStore(a, acc, dst[i], 0)
			}
			neonAdvance(a, 32, ws)
			neonAdvance(a, 8*parts, xs...)
			if format.minima {
				neonAdvance(a, 32*parts, wm)
			}
		})
	})
}

// neonMatrixTile is what a tile of I8MM has in registers.
type neonMatrixTile struct {
	*arm64.Func
	neonFormat
	x []arm64.R
	w arm64.R
}

// next moves on by 32 columns.
func (t *neonMatrixTile) next() {
	neonAdvance(t.Func, 128, t.x...)
	neonAdvance(t.Func, 256, t.w)
}

// scaled is that of neonTile.
func (t *neonMatrixTile) scaled(sc arm64.R) [4]neonPair {
	var all [4]neonPair
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
				sums := t.rows(t.sums(at, at+t.sub))
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

// sums returns the integer products of the columns [from, to) of a block of 32: of two rows of activations with two of
// weights each.
func (t *neonMatrixTile) sums(from, to int) [2][4]arm64.V {
	var high, low [2][4]arm64.V
	for p := range high {
		for i := range high[p] {
			high[p][i], low[p][i] = t.V(), t.V()
			t.Zero(high[p][i])
			t.Zero(low[p][i])
		}
	}
	lower := "smmla v?.4s, v?.16b, v?.16b"
	if !t.super {
		lower = "usmmla v?.4s, v?.16b, v?.16b"
	}
	for at := from; at < to; at += 8 {
		t.Scope(func() {
			w, x := t.Vs(4), t.V()
			for i, v := range w {
				t.Op("ldr q?, [x?, #]", v, t.w, 8*at+16*i)
			}
			for p, r := range t.x {
				t.Op("ldr q?, [x?, #]", x, r, 2*at)
				for i, v := range w {
					t.Op("smmla v?.4s, v?.16b, v?.16b", high[p][i], x, v)
				}
				t.Op("ldr q?, [x?, #]", x, r, 64+2*at)
				for i, v := range w {
					t.Op(lower, low[p][i], x, v)
				}
			}
		})
	}
	for p := range high {
		for i, v := range high[p] {
			t.Op("shl v?.4s, v?.4s, #", v, v, 8)
			t.Op("add v?.4s, v?.4s, v?.4s", v, v, low[p][i])
			t.Free(low[p][i])
		}
	}
	return high
}

// rows brings those into rows of eight.
func (t *neonMatrixTile) rows(sums [2][4]arm64.V) [4]neonPair {
	var rows [4]neonPair
	for p, s := range sums {
		for h := range 2 {
			odd := t.V()
			t.Op("zip2 v?.2d, v?.2d, v?.2d", odd, s[2*h], s[2*h+1])
			t.Op("zip1 v?.2d, v?.2d, v?.2d", s[2*h], s[2*h], s[2*h+1])
			t.Free(s[2*h+1])
			rows[2*p][h], rows[2*p+1][h] = s[2*h], odd
		}
	}
	return rows
}
