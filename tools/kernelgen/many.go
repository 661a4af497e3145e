package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// many writes the tiles of products of many rows, which give the bits that dotTile gives: an output is as many interleaved
// sums as a vector has lanes, s_l over k ≡ l (mod 8, or 16), added as lanesSum adds them. Here a vector holds one of the sums
// of so many outputs, not the sums of one, and nothing is added across a register.
func many() {
	if v.wide() {
		orderPairs()
		manyTree()
	} else {
		manyTile()
	}
	manyPackX()
	for _, w := range []weightType{weightF32, weightBF16, weightF16} {
		manyPack(w)
	}
}

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
	acc := vectors(2 * v.manyRows)
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
		for i := range v.manyRows {
			VBROADCASTSS(at(atx, 4*(v.manyRows*off+i)), b)
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
			for off := 0; off < 4*v.manyRows*n && n > 1; off += 64 {
				PREFETCHT0(at(atx, off+manyAhead))
			}
			add(4*v.manyRows*n, atx)
			add(64*n, atw)
		})
	}
	for i, a := range acc {
		VMOVUPS(a, at(out, 32*i))
	}
	ADDQ(U32(8*64*v.manyRows), out)
	ADDQ(size, xtile)
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	ADDQ(U32(64*v.manyRows), sums)
	ADDQ(weach, w)
	ADDQ(xeach, x)
	DECQ(left)
	DECQ(sum)
	JNZ(LabelRef("sum"))

	SUBQ(U32(8*64*v.manyRows), sums)
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
	of := func(l, i int) Mem { return at(sums, 64*v.manyRows*l+32*i) }
	Label(label)
	for i := range 2 * v.manyRows {
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
	ADDQ(U32(8*64*v.manyRows), sums)
	DECQ(tiles)
	JNZ(LabelRef(label))
	VZEROUPPER()
	RET()
}

// manyTree writes tiles of 8 rows of x and 48 of w: dst[8t+i, 0:48] = or += x[8t+i]·w. w is [16, steps, 48] with manyGap bytes
// after each of the sixteen, and a tile of x [16, steps, 8]; rests of k are filled up with zeroes. Part p of the sixteen is of
// k%16 = p with its bits reversed: lanesSum adds s_l and s_l+8 first, so the sums are the leaves of a tree that come from left
// to right. Each is added at once to those that wait beside it, as ones are carried when p is counted up, and no more
// than four wait, in sums, memory of [tiles, 4, 8, 48]. each is floats from one part of x to the next, size from one tile to
// the next. With each part of a tile 16·steps bytes from fetch on are fetched to the second cache, the next ldfetch bytes on.
func manyTree() {
	TEXT("dotManyAVX512", NOSPLIT, "func(dst *float32, ldd int, x *float32, each, size int, w *float32, steps int, sums *float32, tiles int, add bool, fetch *byte, ldfetch int)")
	Pragma("noescape")
	rows, columns := v.manyRows, v.manyVectors
	x, w := Load(Param("x"), GP64()), Load(Param("w"), GP64())
	fetch := Load(Param("fetch"), GP64())
	part, free := GP64(), Load(Param("sums"), GP64()) // of the sixteen; the first place where none waits
	XORQ(part, part)
	place := rows * columns * v.bytes
	Label("part")
	tiles, dst := Load(Param("tiles"), GP64()), Load(Param("dst"), GP64())
	xtile, waiting := GP64(), GP64()
	MOVQ(x, xtile)
	MOVQ(free, waiting)
	atw := GP64()
	Label("tile")
	acc := vectors(rows * columns)
	for _, a := range acc {
		VXORPS(a, a, a)
	}
	count, atx := Load(Param("steps"), GP64()), GP64()
	MOVQ(xtile, atx)
	MOVQ(w, atw)
	ahead := GP64()
	MOVQ(fetch, ahead)
	weights, b := vectors(columns), v.register()
	step := func(off int) {
		for c := range weights {
			VMOVUPS(at(atw, v.bytes*(columns*off+c)), weights[c])
		}
		for i := range rows {
			VBROADCASTSS(at(atx, 4*(rows*off+i)), b)
			for c := range weights {
				VFMADD231PS(weights[c], b, acc[i*columns+c])
			}
		}
	}
	const most = 4 // steps at a time
	for _, n := range []int{most, 1} {
		loop(name("k", n), count, n, func() {
			for i := range n {
				step(i)
			}
			for off := 0; off < 4*rows*n && n > 1; off += 64 {
				PREFETCHT0(at(atx, off+manyAhead))
			}
			if n > 1 {
				PREFETCHT1(at(ahead, 0))
				ADDQ(Imm(64), ahead)
			}
			add(4*rows*n, atx)
			add(columns*v.bytes*n, atw)
		})
	}
	carry, sum := GP64(), GP64()
	MOVQ(part, carry)
	MOVQ(waiting, sum)
	Label("merge")
	SHRQ(Imm(1), carry)
	JCC(LabelRef("merged"))
	SUBQ(U32(uint32(place)), sum)
	for i, a := range acc {
		VADDPS(at(sum, v.bytes*i), a, a)
	}
	JMP(LabelRef("merge"))
	Label("merged")
	CMPQ(part, Imm(15))
	JEQ(LabelRef("write"))
	for i, a := range acc {
		VMOVUPS(a, at(sum, v.bytes*i))
	}
	JMP(LabelRef("next"))
	Label("write")
	ldd := Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	more := Load(Param("add"), GP8())
	TESTB(more, more)
	JZ(LabelRef("store"))
	manyWrite(acc, dst, ldd, true)
	JMP(LabelRef("next"))
	Label("store")
	manyWrite(acc, dst, ldd, false)
	Label("next")
	ADDQ(U32(uint32(4*place)), waiting)
	size := Load(Param("size"), GP64())
	LEAQ(Mem{Base: xtile, Index: size, Scale: 4}, xtile)
	ADDQ(scalar("ldfetch"), fetch)
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	LEAQ(at(atw, manyGap), w)
	each := Load(Param("each"), GP64())
	LEAQ(Mem{Base: x, Index: each, Scale: 4}, x)
	INCQ(part)
	POPCNTQ(part, free) // as many wait
	IMUL3Q(U32(uint32(place)), free, free)
	ADDQ(Load(Param("sums"), GP64()), free)
	CMPQ(part, Imm(16))
	JLT(LabelRef("part"))
	VZEROUPPER()
	RET()
}

// manyWrite writes, or adds, the outputs of a tile to dst, which it leaves after them.
func manyWrite(acc []VecVirtual, dst, ldd Register, more bool) {
	for i, a := range acc {
		to := at(dst, v.bytes*(i%v.manyVectors))
		if more {
			VADDPS(to, a, a)
		}
		VMOVUPS(a, to)
		if i%v.manyVectors == v.manyVectors-1 {
			ADDQ(ldd, dst)
		}
	}
}

// manyGap is how many bytes lie between the parts of a panel of manyTree, lest all fall into one set of the first cache.
const manyGap = 64
