package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// quadTile writes the products of m times four queries with n keys, a multiple of 16, of dim floats, a multiple of 16. A
// vector holds four sums of each of four queries, the products of its values d ≡ 0, 1, 2 and 3 (mod 4) with those of one key:
// little is left to be added up across lanes. q is [m, dim/4, 4 queries, 4], dst rows of pageLen floats. With every four values
// of sixteen keys that of four queries fetches two lines at ahead, step bytes apart.
func quadTile(m int) {
	TEXT(name("scoreQuads", m), NOSPLIT, "func(dst *float32, q *float32, keys *float32, n int, dim int, ahead *byte, step int)")
	Pragma("noescape")
	count := 8 // keys at a time
	if m == 1 {
		count = 16
	}
	dst, q, keys := Load(Param("dst"), GP64()), Load(Param("q"), GP64()), Load(Param("keys"), GP64())
	n, row := Load(Param("n"), GP64()), Load(Param("dim"), GP64())
	SHLQ(Imm(2), row)
	four := GP64() // rows
	MOVQ(row, four)
	SHLQ(Imm(2), four)
	quad, quads := rowsOf(q, four, m)
	key, bases := rowsOf(keys, row, count)
	var ahead, step Register
	if m == 1 {
		ahead, step = Load(Param("ahead"), GP64()), Load(Param("step"), GP64())
	}
	acc := vectors(m * count)
	loop("keys", n, count, func() {
		for _, a := range acc {
			VXORPS(a, a, a)
		}
		dim := GP64()
		Load(Param("dim"), dim)
		loop("d16", dim, 16, func() {
			for d := range 4 {
				x := vectors(m)
				for i := range m {
					VMOVUPS(disp(quad(i), 64*d), x[i])
				}
				if m == 1 {
					for range 2 {
						PREFETCHT2(at(ahead, 0))
						ADDQ(step, ahead)
					}
				}
				for j := range count {
					k := ZMM()
					VBROADCASTF32X4(disp(key(j), 16*d), k)
					for i := range m {
						VFMADD231PS(k, x[i], acc[i*count+j])
					}
				}
			}
			for _, r := range quads {
				ADDQ(U32(256), r)
			}
			for _, r := range bases {
				ADDQ(Imm(64), r)
			}
		})
		for _, r := range quads {
			SUBQ(four, r)
		}
		for _, r := range bases { // which are a row on: to the one after these
			advance(r, row, count-1)
		}
		for i := range m {
			for j := 0; j < count; j += 4 {
				sums := quadSums(acc[i*count+j : i*count+j+4])
				for h := range 4 {
					VEXTRACTF32X4(Imm(uint64(h)), sums, at(dst, 4*((4*i+h)*pageLen+j)))
				}
			}
		}
		ADDQ(Imm(uint64(4*count)), dst)
	})
	VZEROUPPER()
	RET()
}

// quadSums adds up the four sums in each quarter of four vectors: quarter h of the result is [x0, x1, x2, x3] of their
// quarters h. It spoils them.
func quadSums(x []VecVirtual) VecVirtual {
	two := func(a, b VecVirtual) VecVirtual { // [a0+a2, a1+a3, b0+b2, b1+b3]
		sum := ZMM()
		VUNPCKLPD(b, a, sum)
		VUNPCKHPD(b, a, a)
		VADDPS(a, sum, sum)
		return sum
	}
	return evenOdd(two(x[0], x[1]), two(x[2], x[3]))
}

// widenHalves writes the widening of n times 16 values of F16 to float32.
func widenHalves() {
	TEXT("widenF16Rows", NOSPLIT, "func(dst *float32, rows *byte, n int)")
	Pragma("noescape")
	dst, rows, n := Load(Param("dst"), GP64()), Load(Param("rows"), GP64()), Load(Param("n"), GP64())
	for _, some := range []int{4, 1} {
		loop(name("v", some), n, some, func() {
			for line := 0; line < 32*some; line += 64 {
				PREFETCHT0(at(rows, near+line))
			}
			for i := range some {
				w := ZMM()
				VCVTPH2PS(at(rows, 32*i), w)
				VMOVUPS(w, at(dst, 64*i))
			}
			ADDQ(U32(uint32(32*some)), rows)
			ADDQ(U32(uint32(64*some)), dst)
		})
	}
	VZEROUPPER()
	RET()
}

// widenBlocks writes the widening of n blocks of Q8_0 to float32.
func widenBlocks() {
	TEXT("widenQ8Rows", NOSPLIT, "func(dst *float32, rows *byte, n int)")
	Pragma("noescape")
	dst, rows, n := Load(Param("dst"), GP64()), Load(Param("rows"), GP64()), Load(Param("n"), GP64())
	loop("block", n, 1, func() {
		PREFETCHT0(at(rows, near))
		half, scale := XMM(), ZMM()
		VCVTPH2PS(at(rows, 0), half)
		VBROADCASTSS(half, scale)
		for i := range 2 {
			w := ZMM()
			VPMOVSXBD(at(rows, 2+16*i), w)
			VCVTDQ2PS(w, w)
			VMULPS(scale, w, w)
			VMOVUPS(w, at(dst, 64*i))
		}
		ADDQ(Imm(34), rows)
		ADDQ(U32(128), dst)
	})
	VZEROUPPER()
	RET()
}
