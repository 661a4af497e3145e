package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// rowsOf returns the address of row i < n of a matrix whose rows lie stride bytes apart, and the registers that move
// along the rows: x86 addresses are a base and a stride times 0, 1, 2 or 4.
func rowsOf(base, stride Register, n int) (row func(i int) Mem, bases []Register) {
	bases = []Register{base}
	for i := 3; i < n; i += 3 {
		third := GP64()
		LEAQ(Mem{Base: bases[i/3-1], Index: stride, Scale: 2}, third)
		ADDQ(stride, third)
		bases = append(bases, third)
	}
	return func(i int) Mem {
		if i%3 == 0 {
			return Mem{Base: bases[i/3]}
		}
		return Mem{Base: bases[i/3], Index: stride, Scale: uint8(i % 3)}
	}, bases
}

func disp(m Mem, off int) Mem {
	m.Disp += off
	return m
}

// dotF32 writes the kernels of f32 products with both operands contiguous in k: dst[i, j] = x[i]·w[j]. An output is
// a vector of interleaved sums, s_l over k ≡ l (mod 8, or 16), added in a fixed order, whatever the tile.
func dotF32() {
	if !v.wide() {
		tailMask = GLOBL("tailMask", RODATA|NOPTR)
		for i := range 16 {
			DATA(4*i, U32(0xFFFFFFFF*uint32(1-i/8)))
		}
	}
	// Of 256 bits, four by three: 12 accumulators, three vectors of weights, one of activations. Of 512, six by four.
	for _, w := range []weightType{weightF32, weightBF16, weightF16} {
		for _, n := range []int{1, v.dotColumns} {
			for m := 1; m <= v.dotRows; m++ {
				dotTile(w, m, n)
			}
		}
		dotTile(w, 1, v.dotOne)
	}
}

// tailMask is eight words of ones and eight of zeroes: read n words before the middle, it masks all but n.
var tailMask Mem

// weightType is a type of weights that is widened to float32 on the way into a register.
type weightType struct {
	title, pointer string
	shift          uint64                                            // of an index to bytes
	load           func(from Mem, mask OpmaskVirtual, to VecVirtual) // mask: as of function load
}

var (
	weightF32  = weightType{"F32", "*float32", 2, load}
	weightBF16 = weightType{"BF16", "*byte", 1, func(from Mem, mask OpmaskVirtual, to VecVirtual) {
		if mask == nil {
			VPMOVZXWD(from, to)
		} else {
			VPMOVZXWD_Z(from, mask, to)
		}
		VPSLLD(Imm(16), to, to)
	}}
	weightF16 = weightType{"F16", "*byte", 1, func(from Mem, mask OpmaskVirtual, to VecVirtual) {
		if mask == nil {
			VCVTPH2PS(from, to)
		} else {
			VCVTPH2PS_Z(from, mask, to)
		}
	}}
)

// dotFetch is how many weights of a row ahead are brought from the second cache to the first.
const dotFetch = 256

// dotTile writes the tile of m rows of x and n of w. With AVX2 and weights of 16 bits, k is a multiple of 8: there are no
// masked loads of 16 bits.
func dotTile(wt weightType, m, n int) {
	TEXT(name("dot", wt.title, v.title, "x", m, "x", n), NOSPLIT, name("func(dst *float32, ldd int, x *float32, ldx int, w ", wt.pointer, ", ldw int, k int)"))
	Pragma("noescape")
	dst, x, w := Load(Param("dst"), GP64()), Load(Param("x"), GP64()), Load(Param("w"), GP64())
	ldx, ldw, k := Load(Param("ldx"), GP64()), Load(Param("ldw"), GP64()), Load(Param("k"), GP64())
	SHLQ(Imm(2), ldx)
	SHLQ(Imm(wt.shift), ldw)
	xrow, xbases := rowsOf(x, ldx, m)
	wrow, wbases := rowsOf(w, ldw, n)
	acc := make([][]VecVirtual, m)
	for i := range acc {
		acc[i] = vectors(n)
		for _, a := range acc[i] {
			VXORPS(a, a, a)
		}
	}
	one := func(off int) { // vector off of a single row of x
		a := v.register()
		VMOVUPS(disp(xrow(0), v.bytes*off), a)
		for j := range n {
			from := disp(wrow(j), off*v.words()<<wt.shift)
			if wt.shift == 2 {
				VFMADD231PS(from, a, acc[0][j])
				continue
			}
			b := v.register()
			wt.load(from, nil, b)
			VFMADD231PS(b, a, acc[0][j])
		}
	}
	many := func(off int, mask OpmaskVirtual) {
		b := vectors(n)
		for j := range n {
			wt.load(disp(wrow(j), off*v.words()<<wt.shift), mask, b[j])
		}
		for i := range m {
			a := v.register()
			load(disp(xrow(i), v.bytes*off), mask, a)
			for j := range n {
				VFMADD231PS(b[j], a, acc[i][j])
			}
		}
	}
	part := func(off int) {
		if m == 1 {
			one(off)
		} else {
			many(off, nil)
		}
	}
	if m == 1 && n == v.dotOne || v.wide() && n == v.dotColumns {
		// Few rows pass the weights at the speed of memory: fetch the rows after these, which follow in memory.
		next := GP64()
		LEAQ(Mem{Base: w, Index: ldw, Scale: 4}, next)
		if n > 4 {
			LEAQ(Mem{Base: next, Index: ldw, Scale: uint8(n - 4)}, next)
		}
		nextRow, nextBases := rowsOf(next, ldw, n)
		loop("k32", k, 32, func() {
			for j := range n {
				for line := 0; line < 32<<wt.shift; line += 64 {
					if !v.wide() {
						PREFETCHT0(disp(nextRow(j), line))
						continue
					}
					PREFETCHT1(disp(nextRow(j), line))
					PREFETCHT0(disp(wrow(j), dotFetch<<wt.shift+line))
				}
			}
			for off := range 32 / v.words() {
				part(off)
			}
			for _, r := range xbases {
				ADDQ(U32(128), r)
			}
			for _, r := range append(wbases, nextBases...) {
				ADDQ(U32(32<<wt.shift), r)
			}
		})
	}
	loop(name("k", v.words()), k, v.words(), func() {
		part(0)
		for _, r := range xbases {
			add(v.bytes, r)
		}
		for _, r := range wbases {
			add(v.words()<<wt.shift, r)
		}
	})
	switch {
	case v.wide():
		TESTQ(k, k)
		JZ(LabelRef("sum"))
		many(0, rest(k))
		Label("sum")
	case wt.shift == 2:
		tail(k, xrow, wrow, acc)
	}
	ldd := Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	for i := range m {
		for j := range n {
			VMOVSS(lanesSum(acc[i][j]), at(dst, 4*j))
		}
		if i < m-1 {
			ADDQ(ldd, dst)
		}
	}
	VZEROUPPER()
	RET()
}

// tail adds the last products, less than eight, with zeroes in the place of what is not there.
func tail(k Register, xrow, wrow func(i int) Mem, acc [][]VecVirtual) {
	TESTQ(k, k)
	JZ(LabelRef("sum"))
	table, mask := GP64(), YMM()
	LEAQ(tailMask, table)
	SHLQ(Imm(2), k)
	SUBQ(k, table)
	VMOVUPS(at(table, 32), mask)
	for i := range acc {
		a := YMM()
		VMASKMOVPS(xrow(i), mask, a)
		for j := range acc[i] {
			b := YMM()
			VMASKMOVPS(wrow(j), mask, b)
			VFMADD231PS(b, a, acc[i][j])
		}
	}
	Label("sum")
}

// gemmF32 writes the kernels of f32 products with rows of w contiguous in n, two vectors of n:
// dst[i, 0:16] = or += Σ_k x[i, k]·w[k, 0:16]. An output is one sum over ascending k, whatever the tile.
// Six rows: 12 accumulators, two vectors of w, one broadcast.
func gemmF32() {
	for _, wt := range []weightType{weightF32, weightF16} {
		for m := 1; m <= v.gemmRows; m++ {
			gemmTile(wt, m)
		}
	}
}

func gemmTile(wt weightType, m int) {
	TEXT(name("gemm", wt.title, v.title, "x", m), NOSPLIT, name("func(dst *float32, ldd int, x *float32, ldx int, w ", wt.pointer, ", ldw int, k int, add bool)"))
	Pragma("noescape")
	dst, x, w := Load(Param("dst"), GP64()), Load(Param("x"), GP64()), Load(Param("w"), GP64())
	ldd, ldx, ldw, k := Load(Param("ldd"), GP64()), Load(Param("ldx"), GP64()), Load(Param("ldw"), GP64()), Load(Param("k"), GP64())
	SHLQ(Imm(2), ldd)
	SHLQ(Imm(2), ldx)
	SHLQ(Imm(wt.shift), ldw)
	row, bases := rowsOf(x, ldx, m)
	acc := vectors(2 * m)
	sum := Load(Param("add"), GP8())
	TESTB(sum, sum)
	JZ(LabelRef("zero"))
	out := GP64()
	MOVQ(dst, out)
	for i := range m {
		VMOVUPS(at(out, 0), acc[2*i])
		VMOVUPS(at(out, v.bytes), acc[2*i+1])
		ADDQ(ldd, out)
	}
	JMP(LabelRef("start"))
	Label("zero")
	for _, a := range acc {
		VXORPS(a, a, a)
	}
	Label("start")
	w0, w1, b := v.register(), v.register(), v.register()
	step := func(off int) {
		wt.load(at(w, 0), nil, w0)
		wt.load(at(w, v.words()<<wt.shift), nil, w1)
		ADDQ(ldw, w)
		for i := range m {
			VBROADCASTSS(disp(row(i), 4*off), b)
			VFMADD231PS(w0, b, acc[2*i])
			VFMADD231PS(w1, b, acc[2*i+1])
		}
	}
	advance := func(n int) {
		for _, r := range bases {
			ADDQ(Imm(uint64(4*n)), r)
		}
	}
	loop("k4", k, 4, func() {
		for i := range 4 {
			step(i)
		}
		advance(4)
	})
	loop("k1", k, 1, func() {
		step(0)
		advance(1)
	})
	for i := range m {
		VMOVUPS(acc[2*i], at(dst, 0))
		VMOVUPS(acc[2*i+1], at(dst, v.bytes))
		if i < m-1 {
			ADDQ(ldd, dst)
		}
	}
	VZEROUPPER()
	RET()
}
