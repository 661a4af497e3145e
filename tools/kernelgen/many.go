package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// many writes the tiles of products of many rows, which give the bits that dotTile gives: an output is eight interleaved
// sums, s_l over k ≡ l (mod 8), added as lanesSum adds them. Here a vector holds one of the sums of eight outputs, not
// the eight sums of one, and nothing is added across a register.
func many() {
	manyTile()
	manyPackX()
	for _, w := range []weightType{weightF32, weightBF16, weightF16} {
		manyPack(w)
	}
}

const manyRows = 6 // of a tile

// manyTile writes tiles of 6 rows of x and 16 of w: dst[6t+i, 0:16] = or += x[6t+i]·w. w is [8, ceil(k/8), 16]: first the
// rows k ≡ 0 (mod 8) of a panel, then those k ≡ 1. So is x, [8, tiles, ceil(k/8), 6], with each floats from one of the
// eight to the next and size from one tile to the next: what a sum reads of either follows in memory, and its part of w
// stays in the first cache while all tiles pass. sums is memory of [tiles, 8, 6, 16].
func manyTile() {
	TEXT("dotManyAVX2", NOSPLIT, "func(dst *float32, ldd int, x *float32, each, size int, w *float32, k int, sums *float32, tiles int, add bool)")
	Pragma("noescape")
	x, w, k := Load(Param("x"), GP64()), Load(Param("w"), GP64()), Load(Param("k"), GP64())
	xeach, sums := Load(Param("each"), GP64()), Load(Param("sums"), GP64())
	SHLQ(Imm(2), xeach)
	size := Load(Param("size"), GP64())
	SHLQ(Imm(2), size)
	weach := GP64() // bytes of one sum's rows of w
	LEAQ(Mem{Base: k, Disp: 7}, weach)
	SHRQ(Imm(3), weach)
	SHLQ(Imm(6), weach)
	left := GP64() // k - l + 7
	LEAQ(Mem{Base: k, Disp: 7}, left)
	sum := GP64()
	MOVQ(U32(8), sum)
	Label("sum")
	tiles := Load(Param("tiles"), GP64())
	xtile, out := GP64(), GP64()
	MOVQ(x, xtile)
	MOVQ(sums, out)
	Label("tile")
	acc := vectors(2 * manyRows)
	for _, a := range acc {
		VXORPS(a, a, a)
	}
	count, atx, atw := GP64(), GP64(), GP64()
	MOVQ(left, count)
	SHRQ(Imm(3), count)
	MOVQ(xtile, atx)
	MOVQ(w, atw)
	w0, w1, b := YMM(), YMM(), YMM()
	step := func(off int) {
		VMOVUPS(at(atw, 64*off), w0)
		VMOVUPS(at(atw, 64*off+32), w1)
		for i := range manyRows {
			VBROADCASTSS(at(atx, 4*(manyRows*off+i)), b)
			VFMADD231PS(w0, b, acc[2*i])
			VFMADD231PS(w1, b, acc[2*i+1])
		}
	}
	const most = 4 // steps at a time
	for _, n := range []int{most, 1} {
		loop(name("k", n), count, n, func() {
			for i := range n {
				step(i)
			}
			for off := 0; off < 4*manyRows*n && n > 1; off += 64 {
				PREFETCHT0(at(atx, off+manyAhead))
			}
			add(4*manyRows*n, atx)
			add(64*n, atw)
		})
	}
	for i, a := range acc {
		VMOVUPS(a, at(out, 32*i))
	}
	ADDQ(U32(8*64*manyRows), out)
	ADDQ(size, xtile)
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	ADDQ(U32(64*manyRows), sums)
	ADDQ(weach, w)
	ADDQ(xeach, x)
	DECQ(left)
	DECQ(sum)
	JNZ(LabelRef("sum"))

	SUBQ(U32(8*64*manyRows), sums)
	dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	tiles = Load(Param("tiles"), GP64())
	more := Load(Param("add"), GP8())
	TESTB(more, more)
	JZ(LabelRef("write"))
	manySum("more", sums, dst, ldd, tiles, true)
	Label("write")
	manySum("tiles", sums, dst, ldd, tiles, false)
}

// manyAhead is how far ahead x is fetched, in bytes.
const manyAhead = 1024

// manySum adds up the sums of the tiles.
func manySum(label string, sums, dst, ldd, tiles Register, add bool) {
	of := func(l, i int) Mem { return at(sums, 64*manyRows*l+32*i) }
	Label(label)
	for i := range 2 * manyRows {
		pairs := func(l int) VecVirtual { // (s_l + s_l+4) + (s_l+2 + s_l+6)
			v, u := YMM(), YMM()
			VMOVUPS(of(l, i), v)
			VADDPS(of(l+4, i), v, v)
			VMOVUPS(of(l+2, i), u)
			VADDPS(of(l+6, i), u, u)
			VADDPS(u, v, v)
			return v
		}
		v, u := pairs(0), pairs(1)
		VADDPS(u, v, v)
		if add {
			VADDPS(at(dst, 32*(i%2)), v, v)
		}
		VMOVUPS(v, at(dst, 32*(i%2)))
		if i%2 == 1 {
			ADDQ(ldd, dst)
		}
	}
	ADDQ(U32(8*64*manyRows), sums)
	DECQ(tiles)
	JNZ(LabelRef(label))
	VZEROUPPER()
	RET()
}

// manyPackX writes the transposition of six rows of x, ldx apart, 8·n long, into a tile of manyTile: value k of row i to
// dst[k%8, k/8, i], with each floats from one value of k%8 to the next. Two floats after the last of each are overwritten.
func manyPackX() {
	pack("packManyXAVX2", weightF32, manyRows, manyRows)
}

// manyPack writes the transposition of eight rows of w, ldw apart, 8·n long, into half of a panel of manyTile: value k of
// row c to dst[k%8, k/8, c], with each floats from one value of k%8 to the next.
func manyPack(wt weightType) {
	pack(name("packMany", wt.title, "AVX2"), wt, 8, 16)
}

// pack writes the transposition of rows into eight vectors for eight columns, the next eight of which follow width floats on.
func pack(title string, wt weightType, rows, width int) {
	TEXT(title, NOSPLIT, name("func(dst *float32, each int, src ", wt.pointer, ", ld int, n int)"))
	Pragma("noescape")
	dst, src, each, ld, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("each"), GP64()), Load(Param("ld"), GP64()), Load(Param("n"), GP64())
	SHLQ(Imm(2), each)
	SHLQ(Imm(wt.shift), ld)
	from, sources := rowsOf(src, ld, rows)
	to, targets := rowsOf(dst, each, 8)
	loop("k8", n, 1, func() {
		r, t := vectors(8), vectors(8)
		for i := range rows {
			PREFETCHT0(disp(from(i), packAhead))
			wt.load(from(i), nil, r[i])
		}
		copy(r[rows:], r)           // lanes of no matter
		for i := 0; i < 8; i += 2 { // pairs of rows
			VUNPCKLPS(r[i+1], r[i], t[i])
			VUNPCKHPS(r[i+1], r[i], t[i+1])
		}
		r = vectors(8)
		for i := 0; i < 8; i += 4 { // four rows
			for j := range 2 {
				VSHUFPS(Imm(0x44), t[i+2+j], t[i+j], r[i+2*j])
				VSHUFPS(Imm(0xEE), t[i+2+j], t[i+j], r[i+2*j+1])
			}
		}
		for i := range 4 { // and the halves
			v := YMM()
			VPERM2F128(Imm(0x20), r[i+4], r[i], v)
			VMOVUPS(v, to(i))
			VPERM2F128(Imm(0x31), r[i+4], r[i], v)
			VMOVUPS(v, to(i+4))
		}
		for _, r := range sources {
			ADDQ(Imm(8<<wt.shift), r)
		}
		for _, r := range targets {
			add(4*width, r)
		}
	})
	VZEROUPPER()
	RET()
}

const packAhead = 512
