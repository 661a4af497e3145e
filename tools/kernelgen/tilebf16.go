package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// tiledBF16 writes the products with weights of BF16 on tile units. Activations are the sum of two numbers of BF16. An
// output is one sum: with each 32 columns the products of the first numbers are added to it, then those of the second.
// What is added how is the same for all rows and columns of a tile, so no output depends on what is beside it.
func tiledBF16() {
	tileBF16(4)
	tileBF16(1)
	splitBF16()
	packBF16()
}

// tileBF16 writes the products of so many panels of 16 weight rows with 16 rows of activations, of which the first rows
// ones are stored. x is for each 32 columns two planes [2, 16, 16, 2], pairs of columns of each row. Weight rows are ldw
// bytes apart, their next 32 columns step bytes, the panels panel bytes. sums is memory for the tiles.
// With each step, ahead bytes from fetch on are fetched.
func tileBF16(panels int) {
	title := name("tileBF16x", panels)
	config := tileConfig(title+"Config", 64)
	TEXT(title+"AMX", NOSPLIT, "func(dst *float32, ldd int, x *uint16, w *byte, ldw int, step int, panel int, sums *float32, fetch *byte, ahead int, steps int, rows int)")
	Pragma("noescape")
	x, w, ldw := Load(Param("x"), GP64()), Load(Param("w"), GP64()), Load(Param("ldw"), GP64())
	step, n, line := Load(Param("step"), GP64()), Load(Param("steps"), GP64()), GP64()
	fetch, ahead := Load(Param("fetch"), GP64()), Load(Param("ahead"), GP64())
	MOVQ(U32(64), line)
	address := GP64()
	LEAQ(config, address)
	ldtilecfg.access(0, at(address, 0))
	bases := []Register{w}
	for p := 1; p < panels; p++ {
		base := GP64()
		MOVQ(Load(Param("panel"), GP64()), base)
		ADDQ(bases[p-1], base)
		bases = append(bases, base)
	}
	for p := range panels {
		tilezero.register(p, 0, 0)
	}
	const first, second, weights = 4, 5, 6
	loop("step", n, 1, func() {
		tileloadd.access(first, Mem{Base: x, Index: line, Scale: 1})
		tileloadd.access(second, Mem{Base: x, Index: line, Scale: 1, Disp: 1024})
		for p, base := range bases {
			tileloadd.access(weights+p%2, Mem{Base: base, Index: ldw, Scale: 1})
			tdpbf16ps.register(p, weights+p%2, first)
			ADDQ(step, base)
			for i := range tileRows {
				PREFETCHT1(at(fetch, 64*(tileRows*p+i)))
			}
			if p > 0 {
				tdpbf16ps.register(p-1, weights+(p-1)%2, second)
			}
		}
		tdpbf16ps.register(panels-1, weights+(panels-1)%2, second)
		ADDQ(U32(2048), x)
		ADDQ(ahead, fetch)
	})
	sums := Load(Param("sums"), GP64())
	for p := range panels {
		tilestored.access(p, Mem{Base: sums, Index: line, Scale: 1, Disp: 1024 * p})
	}
	tilerelease.alone()
	for p := range panels {
		transpose(sums, 1024*p)
	}
	dst, ldd, rows := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64()), Load(Param("rows"), GP64())
	SHLQ(Imm(2), ldd)
	Label("row")
	for p := range panels {
		out := ZMM()
		VMOVUPS(at(sums, 1024*p), out)
		VMOVUPS(out, at(dst, 64*p))
	}
	ADDQ(ldd, dst)
	ADDQ(Imm(64), sums)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// transpose transposes 16 rows of 16 floats in place.
func transpose(m Register, off int) {
	r := vectors(16)
	for i := range r {
		VMOVUPS(at(m, off+64*i), r[i])
	}
	pairs := func(a []VecVirtual, distance int, low, high func(a, b Op, to Op)) []VecVirtual {
		out := make([]VecVirtual, 16)
		for i := range 16 {
			if i&distance != 0 {
				continue
			}
			out[i], out[i+distance] = ZMM(), ZMM()
			low(a[i+distance], a[i], out[i])
			high(a[i+distance], a[i], out[i+distance])
		}
		return out
	}
	// Words, then pairs of words, within the quarters of vectors; then the quarters.
	r = pairs(r, 1, func(a, b, to Op) { VUNPCKLPS(a, b, to) }, func(a, b, to Op) { VUNPCKHPS(a, b, to) })
	r = pairs(r, 2, func(a, b, to Op) { VUNPCKLPD(a, b, to) }, func(a, b, to Op) { VUNPCKHPD(a, b, to) })
	quarters := func(order uint64) func(a, b, to Op) {
		return func(a, b, to Op) { VSHUFF32X4(Imm(order), a, b, to) }
	}
	r = pairs(r, 4, quarters(0x88), quarters(0xDD))
	r = pairs(r, 8, quarters(0x88), quarters(0xDD))
	// Of four columns the middle ones have changed places.
	for i, v := range r {
		column := i&12 | i&1<<1 | i>>1&1
		VMOVUPS(v, at(m, off+64*column))
	}
}

// splitBF16 writes the taking apart of n times 32 floats of a row into its pairs in two planes, see tileBF16: the first
// number is the float cut off, the second what is left, rounded to the nearest, ties to even.
func splitBF16() {
	offsets := GLOBL("rowsOfPairs", RODATA|NOPTR)
	for i := range 16 {
		DATA(4*i, U32(uint32(64*i)))
	}
	TEXT("splitBF16AMX", NOSPLIT, "func(dst *uint16, x *float32, n int)")
	Pragma("noescape")
	dst, x, n := Load(Param("dst"), GP64()), Load(Param("x"), GP64()), Load(Param("n"), GP64())
	where, all := ZMM(), K()
	VMOVDQU32(offsets, where)
	loop("step", n, 1, func() {
		first, second := ZMM(), ZMM()
		for half := range 2 {
			v, high, odd := ZMM(), ZMM(), ZMM()
			VMOVUPS(at(x, 64*half), v)
			VPANDD(u32(0xFFFF0000), v, high)
			VSUBPS(high, v, v)
			VPSRLD(Imm(16), v, odd)
			VPANDD(u32(1), odd, odd)
			VPADDD(odd, v, v)
			VPADDD(u32(0x7FFF), v, v)
			VPSRLD(Imm(16), v, v)
			VPSRLD(Imm(16), high, high)
			a, b := YMM(), YMM()
			VPMOVDW(high, a)
			VPMOVDW(v, b)
			if half == 0 {
				VMOVDQU(a, first.AsY())
				VMOVDQU(b, second.AsY())
			} else {
				VINSERTI64X4(Imm(1), a, first, first)
				VINSERTI64X4(Imm(1), b, second, second)
			}
		}
		for i, v := range []VecVirtual{first, second} {
			KXNORW(all, all, all)
			VPSCATTERDD(v, all, Mem{Base: dst, Index: where, Scale: 1, Disp: 1024 * i})
		}
		ADDQ(U32(128), x)
		ADDQ(U32(2048), dst)
	})
	VZEROUPPER()
	RET()
}

// packBF16 writes the copying of n lines of 64 bytes, to places 1024 bytes apart.
func packBF16() {
	TEXT("packBF16AMX", NOSPLIT, "func(dst *byte, src *byte, n int)")
	Pragma("noescape")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	loop("line", n, 1, func() {
		v := ZMM()
		VMOVDQU32(at(src, 0), v)
		VMOVDQU32(v, at(dst, 0))
		ADDQ(Imm(64), src)
		ADDQ(U32(1024), dst)
	})
	VZEROUPPER()
	RET()
}
