package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// scan writes the selective scan of one panel of 16 channels over l rows: see Scan in package kernel. a and h are
// [s, 16]; x, dt and y have stride floats between rows, z zstride, b and c ldbc.
func scan() {
	TEXT("scanAVX2", NOSPLIT, "func(y *float32, x *float32, dt *float32, stride int, z *float32, zstride int, b *float32, c *float32, ldbc int, a *float32, h *float32, d *float32, l int, s int)")
	Pragma("noescape")
	y, x, dt, z := Load(Param("y"), GP64()), Load(Param("x"), GP64()), Load(Param("dt"), GP64()), Load(Param("z"), GP64())
	b, c := Load(Param("b"), GP64()), Load(Param("c"), GP64())
	l := Load(Param("l"), GP64())
	loop("row", l, 1, func() {
		dtv, dtx, sum := vectors(2), vectors(2), vectors(2)
		for i := range 2 {
			VMOVUPS(at(dt, 32*i), dtv[i])
			VMULPS(at(x, 32*i), dtv[i], dtx[i])
			VXORPS(sum[i], sum[i], sum[i])
		}
		a, h := Load(Param("a"), GP64()), Load(Param("h"), GP64())
		n := GP64()
		XORQ(n, n)
		Label("state")
		bv, cv := YMM(), YMM()
		VBROADCASTSS(Mem{Base: b, Index: n, Scale: 4}, bv)
		VBROADCASTSS(Mem{Base: c, Index: n, Scale: 4}, cv)
		for i := range 2 {
			e, u := YMM(), YMM()
			VMULPS(at(a, 32*i), dtv[i], e)
			exp(e)
			VMULPS(dtx[i], bv, u)
			VFMADD132PS(at(h, 32*i), u, e)
			VMOVUPS(e, at(h, 32*i))
			VFMADD231PS(cv, e, sum[i])
		}
		ADDQ(Imm(64), a)
		ADDQ(Imm(64), h)
		INCQ(n)
		count, err := Param("s").Resolve()
		if err != nil {
			panic(err)
		}
		CMPQ(n, count.Addr)
		JLT(LabelRef("state"))
		d := Load(Param("d"), GP64())
		for i := range 2 {
			g := YMM()
			VMOVUPS(at(d, 32*i), g)
			VFMADD231PS(at(x, 32*i), g, sum[i])
			VMOVUPS(at(z, 32*i), g)
			silu(g)
			VMULPS(g, sum[i], sum[i])
			VMOVUPS(sum[i], at(y, 32*i))
		}
		stride := Load(Param("stride"), GP64())
		for _, r := range []Register{y, x, dt} {
			LEAQ(Mem{Base: r, Index: stride, Scale: 4}, r.(GPVirtual))
		}
		zstride, ldbc := Load(Param("zstride"), GP64()), Load(Param("ldbc"), GP64())
		LEAQ(Mem{Base: z, Index: zstride, Scale: 4}, z)
		LEAQ(Mem{Base: b, Index: ldbc, Scale: 4}, b)
		LEAQ(Mem{Base: c, Index: ldbc, Scale: 4}, c)
	})
	VZEROUPPER()
	RET()
}

// conv writes one row of the causal convolution: dst = silu(bias + Σ_j weight[j]·in[j]) over n channels, a multiple of
// 8. in holds the addresses of the w input rows, weight has stride floats between its rows.
func conv() {
	TEXT("convAVX2", NOSPLIT, "func(dst *float32, bias *float32, weight *float32, stride int, in **float32, w int, n int)")
	Pragma("noescape")
	dst, bias := Load(Param("dst"), GP64()), Load(Param("bias"), GP64())
	stride, n := Load(Param("stride"), GP64()), Load(Param("n"), GP64())
	w := Load(Param("w"), GP64())
	SHLQ(Imm(2), stride)
	SHLQ(Imm(2), n)
	at := GP64() // bytes into the rows
	XORQ(at, at)
	Label("channels")
	CMPQ(at, n)
	JGE(LabelRef("end"))
	sum := YMM()
	VMOVUPS(Mem{Base: bias, Index: at, Scale: 1}, sum)
	weight, in := Load(Param("weight"), GP64()), Load(Param("in"), GP64())
	ADDQ(at, weight)
	taps := GP64()
	MOVQ(w, taps)
	Label("tap")
	row, v := GP64(), YMM()
	MOVQ(Mem{Base: in}, row)
	VMOVUPS(Mem{Base: row, Index: at, Scale: 1}, v)
	VFMADD231PS(Mem{Base: weight}, v, sum)
	ADDQ(stride, weight)
	ADDQ(Imm(8), in)
	DECQ(taps)
	JNZ(LabelRef("tap"))
	silu(sum)
	VMOVUPS(sum, Mem{Base: dst, Index: at, Scale: 1})
	ADDQ(Imm(32), at)
	JMP(LabelRef("channels"))
	Label("end")
	VZEROUPPER()
	RET()
}
