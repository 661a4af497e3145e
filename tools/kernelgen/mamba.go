package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// scanRowsAhead is how many rows ahead scans of at least as many fetch what they read and write.
const scanRowsAhead = 8

// scan writes the selective scan of one panel of 16 channels over l rows: see Scan in package kernel. a and h are
// [s, 16]; x, dt and y have stride floats between rows, z zstride, b and c ldbc.
func scan() {
	TEXT(name("scan", v.words()), NOSPLIT, "func(y *float32, x *float32, dt *float32, stride int, z *float32, zstride int, b *float32, c *float32, ldbc int, a *float32, h *float32, d *float32, l int, s int)")
	Pragma("noescape")
	y, x, dt, z := Load(Param("y"), GP64()), Load(Param("x"), GP64()), Load(Param("dt"), GP64()), Load(Param("z"), GP64())
	b, c := Load(Param("b"), GP64()), Load(Param("c"), GP64())
	l := Load(Param("l"), GP64())
	end := holdExp()
	loop("row", l, 1, func() {
		// What a panel has of a row is a line in each of four matrices, in another page than that of the row before: no processor
		// fetches it by itself. Lines of so many rows often share a set of the first cache, so they go to the second, and
		// to the first two rows ahead.
		CMPQ(scalar("l"), Imm(scanRowsAhead))
		JLT(LabelRef("fetched"))
		for _, to := range []struct {
			row    Register
			stride string
		}{{x, "stride"}, {dt, "stride"}, {z, "zstride"}, {y, "stride"}} {
			ahead := Load(Param(to.stride), GP64())
			PREFETCHT0(Mem{Base: to.row, Index: ahead, Scale: 8})
			IMUL3Q(Imm(4*scanRowsAhead), ahead, ahead)
			PREFETCHT1(Mem{Base: to.row, Index: ahead, Scale: 1})
		}
		Label("fetched")
		panel := 64 / v.bytes // vectors
		dtv, dtx, sum, gate := vectors(panel), vectors(panel), vectors(panel), vectors(panel)
		for i := range panel {
			// First, since at the end of a row everything would wait for it.
			VMOVUPS(at(z, v.bytes*i), gate[i])
			silu(gate[i])
			VMOVUPS(at(dt, v.bytes*i), dtv[i])
			VMULPS(at(x, v.bytes*i), dtv[i], dtx[i])
			VXORPS(sum[i], sum[i], sum[i])
		}
		a, h := Load(Param("a"), GP64()), Load(Param("h"), GP64())
		n := GP64()
		XORQ(n, n)
		Label("state")
		bv, cv := v.register(), v.register()
		VBROADCASTSS(Mem{Base: b, Index: n, Scale: 4}, bv)
		VBROADCASTSS(Mem{Base: c, Index: n, Scale: 4}, cv)
		for i := range panel {
			e, u := v.register(), v.register()
			VMULPS(at(a, v.bytes*i), dtv[i], e)
			exp(e)
			VMULPS(dtx[i], bv, u)
			VFMADD132PS(at(h, v.bytes*i), u, e)
			VMOVUPS(e, at(h, v.bytes*i))
			VFMADD231PS(cv, e, sum[i])
		}
		ADDQ(Imm(64), a)
		ADDQ(Imm(64), h)
		INCQ(n)
		CMPQ(n, scalar("s"))
		JLT(LabelRef("state"))
		d := Load(Param("d"), GP64())
		for i := range panel {
			skip := v.register()
			VMOVUPS(at(d, v.bytes*i), skip)
			VFMADD231PS(at(x, v.bytes*i), skip, sum[i])
			VMULPS(gate[i], sum[i], sum[i])
			VMOVUPS(sum[i], at(y, v.bytes*i))
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
	end()
	VZEROUPPER()
	RET()
}

// stream copies n floats, whole vectors of 64 bytes, past the caches; dst is aligned to 64 bytes. What it writes is ordered
// before later stores by fence alone.
func stream() {
	TEXT("stream"+v.tier, NOSPLIT, "func(dst *float32, src *float32, n int)")
	Pragma("noescape")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	n := Load(Param("n"), GP64())
	loop("line", n, 16, func() {
		parts := vectors(64 / v.bytes)
		for i, x := range parts {
			VMOVUPS(at(src, i*v.bytes), x)
		}
		for i, x := range parts {
			VMOVNTPS(x, at(dst, i*v.bytes))
		}
		add(64, src)
		add(64, dst)
	})
	VZEROUPPER()
	RET()
	if v.wide() {
		return
	}
	TEXT("fence", NOSPLIT, "func()")
	SFENCE()
	RET()
	// Fetches n floats, lines of 64 bytes, into the second cache.
	TEXT("fetch", NOSPLIT, "func(from *float32, n int)")
	Pragma("noescape")
	from := Load(Param("from"), GP64())
	Load(Param("n"), n)
	loop("lines", n, 16, func() {
		PREFETCHT1(at(from, 0))
		add(64, from)
	})
	RET()
}

// conv writes one row of the causal convolution: dst = silu(bias + Σ_j weight[j]·in[j]) over n channels, a multiple of
// 8 for AVX2. in holds the addresses of the w input rows, weight has stride floats between its rows.
func conv() {
	TEXT(name("conv", v.words()), NOSPLIT, "func(dst *float32, bias *float32, weight *float32, stride int, in **float32, w int, n int)")
	Pragma("noescape")
	dst, bias := Load(Param("dst"), GP64()), Load(Param("bias"), GP64())
	stride, n := Load(Param("stride"), GP64()), Load(Param("n"), GP64())
	w := Load(Param("w"), GP64())
	SHLQ(Imm(2), stride)
	left := GP64()
	if v.wide() {
		MOVQ(n, left)
		ANDQ(Imm(uint64(v.words()-1)), left)
		SUBQ(left, n)
	}
	SHLQ(Imm(2), n)
	end := holdExp()
	at := GP64() // bytes into the rows
	XORQ(at, at)
	channels := func(tap string, mask OpmaskVirtual) {
		sum := v.register()
		load(Mem{Base: bias, Index: at, Scale: 1}, mask, sum)
		weight, in := Load(Param("weight"), GP64()), Load(Param("in"), GP64())
		ADDQ(at, weight)
		taps := GP64()
		MOVQ(w, taps)
		Label(tap)
		row, x := GP64(), v.register()
		MOVQ(Mem{Base: in}, row)
		load(Mem{Base: row, Index: at, Scale: 1}, mask, x)
		if mask == nil {
			VFMADD231PS(Mem{Base: weight}, x, sum)
		} else {
			VFMADD231PS(Mem{Base: weight}, x, mask, sum)
		}
		ADDQ(stride, weight)
		ADDQ(Imm(8), in)
		DECQ(taps)
		JNZ(LabelRef(tap))
		silu(sum)
		store(sum, mask, Mem{Base: dst, Index: at, Scale: 1})
	}
	Label("channels")
	CMPQ(at, n)
	JGE(LabelRef("end"))
	channels("tap", nil)
	ADDQ(Imm(uint64(v.bytes)), at)
	JMP(LabelRef("channels"))
	Label("end")
	if v.wide() {
		TESTQ(left, left)
		JZ(LabelRef("done"))
		channels("tap_left", rest(left))
		Label("done")
	}
	end()
	VZEROUPPER()
	RET()
}
