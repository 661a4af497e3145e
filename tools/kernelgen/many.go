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
	for m := 1; m <= 6; m++ {
		manyTile(m)
	}
	manyPack()
}

// manyTile writes the tile of m rows of x and 16 of w: dst[i, 0:16] = or += x[i]·w. w is [8, ceil(k/8), 16]: first the
// rows k ≡ 0 (mod 8) of a panel, then those k ≡ 1. sums is memory of [8, m, 16].
func manyTile(m int) {
	TEXT(name("dotManyx", m), NOSPLIT, "func(dst *float32, ldd int, x *float32, ldx int, w *float32, k int, sums *float32, add bool)")
	Pragma("noescape")
	x, w, ldx, k := Load(Param("x"), GP64()), Load(Param("w"), GP64()), Load(Param("ldx"), GP64()), Load(Param("k"), GP64())
	SHLQ(Imm(2), ldx)
	sums := Load(Param("sums"), GP64())
	each := GP64() // bytes of one sum's rows of w
	LEAQ(Mem{Base: k, Disp: 7}, each)
	SHRQ(Imm(3), each)
	SHLQ(Imm(6), each)
	left := GP64() // k - l + 7
	LEAQ(Mem{Base: k, Disp: 7}, left)
	sum := GP64()
	MOVQ(U32(8), sum)
	Label("sum")
	acc := vectors(2 * m)
	for _, a := range acc {
		VXORPS(a, a, a)
	}
	count, first := GP64(), GP64()
	MOVQ(left, count)
	SHRQ(Imm(3), count)
	MOVQ(x, first)
	row, bases := rowsOf(first, ldx, m)
	at16 := GP64()
	MOVQ(w, at16)
	w0, w1, b := YMM(), YMM(), YMM()
	step := func(off int) {
		VMOVUPS(at(at16, 64*off), w0)
		VMOVUPS(at(at16, 64*off+32), w1)
		for i := range m {
			VBROADCASTSS(disp(row(i), 32*off), b)
			VFMADD231PS(w0, b, acc[2*i])
			VFMADD231PS(w1, b, acc[2*i+1])
		}
	}
	advance := func(n int) {
		for _, r := range bases {
			ADDQ(Imm(uint64(32*n)), r)
		}
		ADDQ(U32(uint32(64*n)), at16)
	}
	loop("k2", count, 2, func() {
		step(0)
		step(1)
		advance(2)
	})
	loop("k1", count, 1, func() {
		step(0)
		advance(1)
	})
	for i, a := range acc {
		VMOVUPS(a, at(sums, 32*i))
	}
	ADDQ(U32(uint32(64*m)), sums)
	ADDQ(each, w)
	ADDQ(Imm(4), x)
	DECQ(left)
	DECQ(sum)
	JNZ(LabelRef("sum"))

	dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	add := Load(Param("add"), GP8())
	TESTB(add, add)
	JZ(LabelRef("write"))
	manySum(m, sums, dst, ldd, true)
	Label("write")
	manySum(m, sums, dst, ldd, false)
}

// manySum adds up the sums, which end at the address sums.
func manySum(m int, sums, dst, ldd Register, add bool) {
	size := 64 * m
	of := func(l, i int) Mem { return at(sums, (l-8)*size+32*i) }
	for i := range 2 * m {
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
		if i%2 == 1 && i < 2*m-1 {
			ADDQ(ldd, dst)
		}
	}
	VZEROUPPER()
	RET()
}

// manyPack writes the transposition of eight rows of w, ldw apart, 8·n long, into half of a panel of manyTile: value k of
// row c to dst[k%8, k/8, c], with each floats from one value of k%8 to the next.
func manyPack() {
	TEXT("packManyAVX2", NOSPLIT, "func(dst *float32, each int, w *float32, ldw int, n int)")
	Pragma("noescape")
	dst, w, each, ldw, n := Load(Param("dst"), GP64()), Load(Param("w"), GP64()), Load(Param("each"), GP64()), Load(Param("ldw"), GP64()), Load(Param("n"), GP64())
	SHLQ(Imm(2), each)
	SHLQ(Imm(2), ldw)
	// eight returns the addresses of eight rows and the registers that they move by.
	eight := func(base, stride Register) (row func(i int) Mem, bases []Register) {
		third, sixth := GP64(), GP64()
		LEAQ(Mem{Base: base, Index: stride, Scale: 2}, third)
		ADDQ(stride, third)
		LEAQ(Mem{Base: third, Index: stride, Scale: 2}, sixth)
		ADDQ(stride, sixth)
		bases = []Register{base, third, sixth}
		return func(i int) Mem {
			if i%3 == 0 {
				return Mem{Base: bases[i/3]}
			}
			return Mem{Base: bases[i/3], Index: stride, Scale: uint8(i % 3)}
		}, bases
	}
	from, sources := eight(w, ldw)
	to, targets := eight(dst, each)
	loop("k8", n, 1, func() {
		r, t := vectors(8), vectors(8)
		for i := range r {
			VMOVUPS(from(i), r[i])
		}
		for i := 0; i < 8; i += 2 { // pairs of rows
			VUNPCKLPS(r[i+1], r[i], t[i])
			VUNPCKHPS(r[i+1], r[i], t[i+1])
		}
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
			ADDQ(Imm(32), r)
		}
		for _, r := range targets {
			ADDQ(Imm(64), r)
		}
	})
	VZEROUPPER()
	RET()
}
