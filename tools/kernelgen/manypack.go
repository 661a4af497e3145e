package main

import (
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// manyPackX writes the transposition of the rows of a tile of x, ld apart, into the tile: value k of row i to
// dst[k%8, k/8, i], or of sixteen instead of eight, with each floats from one value of k%8 to the next. Of six rows, two floats
// after the last of each are overwritten.
func manyPackX() {
	pack(name("packManyX", v.tier), weightF32, v.manyRows, v.manyRows)
}

// manyPack writes the transposition of eight rows of w, ld apart, into eight columns of a panel of the tiles: value k of
// row c to dst[k%8, k/8, c], or of sixteen, with each floats from one value of k%8 to the next.
func manyPack(wt weightType) {
	pack(name("packMany", wt.title, v.tier), wt, 8, v.manyVectors*v.words())
}

// pack writes the transposition of rows, at most eight, of n columns into vectors of eight floats for each column, the
// next of which, of the same k%8, follow width floats on. AVX2 takes eight columns at a time, n times. AVX-512 takes sixteen,
// in the order of manyTree, the last filled up with zeroes.
func pack(title string, wt weightType, rows, width int) {
	TEXT(title, NOSPLIT, name("func(dst *float32, each int, src ", wt.pointer, ", ld int, n int)"))
	Pragma("noescape")
	dst, src, each, ld, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("each"), GP64()), Load(Param("ld"), GP64()), Load(Param("n"), GP64())
	SHLQ(Imm(2), each)
	SHLQ(Imm(wt.shift), ld)
	from, sources := rowsOf(src, ld, rows)
	to, targets := rowsOf(dst, each, v.words())
	var order []VecVirtual
	if v.wide() {
		order = vectors(len(pairsOfQuarters))
		for i, o := range pairsOfQuarters {
			VMOVUPS(o, order[i])
		}
	}
	body := func(mask OpmaskVirtual) {
		r, t := vectors(8), vectors(8)
		for i := range rows {
			PREFETCHT0(disp(from(i), packAhead))
			wt.load(from(i), mask, r[i])
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
		for i := range 4 { // and the halves, or quarters
			if v.wide() {
				for j, o := range order {
					x := v.register()
					VMOVAPS(r[i], x)
					VPERMT2PD(r[i+4], o, x)
					VMOVUPS(x.AsY(), to(reversed(8*j+i)))
					VEXTRACTF64X4(Imm(1), x, to(reversed(8*j+4+i)))
				}
				continue
			}
			x := YMM()
			VPERM2F128(Imm(0x20), r[i+4], r[i], x)
			VMOVUPS(x, to(i))
			VPERM2F128(Imm(0x31), r[i+4], r[i], x)
			VMOVUPS(x, to(i+4))
		}
		for _, r := range sources {
			ADDQ(Imm(uint64(v.words())<<wt.shift), r)
		}
		for _, r := range targets {
			add(4*width, r)
		}
	}
	if v.wide() {
		whole(n, body)
	} else {
		loop("k8", n, 1, func() { body(nil) })
	}
	VZEROUPPER()
	RET()
}

// reversed is l < 16 with its bits reversed.
func reversed(l int) int { return int(bits.Reverse8(uint8(l)) >> 4) }

// pairsOfQuarters are the orders in which VPERMT2PD brings each quarter of a vector before that of another: of the first
// two quarters, and of the last.
var pairsOfQuarters [2]Mem

func orderPairs() {
	for j := range pairsOfQuarters {
		pairsOfQuarters[j] = GLOBL(name("pairsOfQuarters", j), RODATA|NOPTR)
		for i := range 8 { // words of 64 bits: a quarter is two
			DATA(8*i, U64(4*j+i/4*2+i/2%2*8+i%2))
		}
	}
}

const packAhead = 512
