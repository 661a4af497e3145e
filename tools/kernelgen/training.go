package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// training writes the kernels of the backward pass, which have a file to themselves.
func training() {
	for m := 1; m <= 6; m++ {
		productT(m)
	}
}

// productT writes the tile of products with a transposed left side: dst[i, 0:16] = or += Σ_k x[k, i]·w[k, 0:16] for i < m,
// with the rows of w, 16 long, one after the other. An output is one sum over ascending k, as in gemmTile.
func productT(m int) {
	TEXT(name("productTx", m), NOSPLIT, "func(dst *float32, ldd int, x *float32, ldx int, w *float32, k int, add bool)")
	Pragma("noescape")
	dst, x, w := Load(Param("dst"), GP64()), Load(Param("x"), GP64()), Load(Param("w"), GP64())
	ldd, ldx, k := Load(Param("ldd"), GP64()), Load(Param("ldx"), GP64()), Load(Param("k"), GP64())
	SHLQ(Imm(2), ldd)
	SHLQ(Imm(2), ldx)
	acc := vectors(2 * m)
	add := Load(Param("add"), GP8())
	TESTB(add, add)
	JZ(LabelRef("zero"))
	out := GP64()
	MOVQ(dst, out)
	for i := range m {
		VMOVUPS(at(out, 0), acc[2*i])
		VMOVUPS(at(out, 32), acc[2*i+1])
		ADDQ(ldd, out)
	}
	JMP(LabelRef("start"))
	Label("zero")
	for _, a := range acc {
		VXORPS(a, a, a)
	}
	Label("start")
	w0, w1, b := YMM(), YMM(), YMM()
	step := func(off int) {
		VMOVUPS(at(w, 64*off), w0)
		VMOVUPS(at(w, 64*off+32), w1)
		for i := range m {
			VBROADCASTSS(at(x, 4*i), b)
			VFMADD231PS(w0, b, acc[2*i])
			VFMADD231PS(w1, b, acc[2*i+1])
		}
		ADDQ(ldx, x)
	}
	loop("k4", k, 4, func() {
		for i := range 4 {
			step(i)
		}
		ADDQ(U32(256), w)
	})
	loop("k1", k, 1, func() {
		step(0)
		ADDQ(Imm(64), w)
	})
	for i := range m {
		VMOVUPS(acc[2*i], at(dst, 0))
		VMOVUPS(acc[2*i+1], at(dst, 32))
		if i < m-1 {
			ADDQ(ldd, dst)
		}
	}
	VZEROUPPER()
	RET()
}
