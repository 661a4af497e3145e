package main

import (
	"math"
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// training writes the kernels of the backward pass and of products of many rows, which have a file to themselves.
func training() {
	many()
	for m := 1; m <= 6; m++ {
		productT(m)
	}
	copies()
	scanStates()
	scanBackward()
	sumLanes()
	convBackward()
	elementwiseBackward()
	adam()
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

// sigmoid returns 1/(1+e^-x).
func sigmoid(x VecVirtual) VecVirtual {
	e, s := YMM(), YMM()
	VMOVAPS(x, e)
	negate(e)
	exp(e)
	VMOVUPS(f32(1), s)
	VADDPS(s, e, e)
	VDIVPS(e, s, s)
	return s
}

// siluDerivative returns the derivative of silu at x, with s its sigmoid: s + x·s·(1-s).
func siluDerivative(x, s VecVirtual) VecVirtual {
	y, d := YMM(), YMM()
	VMULPS(x, s, y)
	VADDPS(y, s, d)
	VFNMADD231PS(s, y, d)
	return d
}

// scanStates writes the recomputation of the states of a chunk of l rows: see scanBackwardGeneric in package kernel.
// states is [l+1, s, 16] with the first given, decays [l, s, 16] and sums [l, 16].
func scanStates() {
	TEXT("scanStatesAVX2", NOSPLIT, "func(x *float32, dt *float32, stride int, b *float32, c *float32, ldbc int, a *float32, states *float32, decays *float32, sums *float32, l int, s int)")
	Pragma("noescape")
	x, dt := Load(Param("x"), GP64()), Load(Param("dt"), GP64())
	b, c := Load(Param("b"), GP64()), Load(Param("c"), GP64())
	states, decays, sums := Load(Param("states"), GP64()), Load(Param("decays"), GP64()), Load(Param("sums"), GP64())
	s, l := Load(Param("s"), GP64()), Load(Param("l"), GP64())
	after := GP64() // the state after the row
	MOVQ(s, after)
	SHLQ(Imm(6), after)
	ADDQ(states, after)
	loop("row", l, 1, func() {
		dtv, dtx, sum := vectors(2), vectors(2), vectors(2)
		for i := range 2 {
			VMOVUPS(at(dt, 32*i), dtv[i])
			VMULPS(at(x, 32*i), dtv[i], dtx[i])
			VXORPS(sum[i], sum[i], sum[i])
		}
		a, n := Load(Param("a"), GP64()), GP64()
		XORQ(n, n)
		Label("state")
		bv, cv := YMM(), YMM()
		VBROADCASTSS(Mem{Base: b, Index: n, Scale: 4}, bv)
		VBROADCASTSS(Mem{Base: c, Index: n, Scale: 4}, cv)
		for i := range 2 {
			e, u := YMM(), YMM()
			VMULPS(at(a, 32*i), dtv[i], e)
			exp(e)
			VMOVUPS(e, at(decays, 32*i))
			VMULPS(dtx[i], bv, u)
			VFMADD132PS(at(states, 32*i), u, e)
			VMOVUPS(e, at(after, 32*i))
			VFMADD231PS(cv, e, sum[i])
		}
		for _, r := range []Register{a, states, after, decays} {
			ADDQ(Imm(64), r)
		}
		INCQ(n)
		CMPQ(n, s)
		JLT(LabelRef("state"))
		for i := range 2 {
			VMOVUPS(sum[i], at(sums, 32*i))
		}
		ADDQ(Imm(64), sums)
		stride, ldbc := Load(Param("stride"), GP64()), Load(Param("ldbc"), GP64())
		for _, r := range []GPVirtual{x.(GPVirtual), dt.(GPVirtual)} {
			LEAQ(Mem{Base: r, Index: stride, Scale: 4}, r)
		}
		for _, r := range []GPVirtual{b.(GPVirtual), c.(GPVirtual)} {
			LEAQ(Mem{Base: r, Index: ldbc, Scale: 4}, r)
		}
	})
	VZEROUPPER()
	RET()
}

// scanPointers are what scanBackward is given, in the order of scanBackwardRows in package kernel.
var scanPointers = []string{"x", "dt", "dy", "dx", "ddt", "z", "dz", "b", "c", "before", "after", "decays", "sums", "lanes", "a", "da", "dh", "d", "dd"}

// scanBackward writes the backward pass of a panel of a chunk of l rows, from the last to the first. rows are pointers to
// the last row; they are moved.
func scanBackward() {
	TEXT("scanBackwardAVX2", NOSPLIT, "func(rows **float32, stride int, zstride int, ldbc int, l int, s int)")
	Pragma("noescape")
	rows, l := Load(Param("rows"), GP64()), Load(Param("l"), GP64())
	field := func(name string) Mem { return Mem{Base: rows, Disp: 8 * slices.Index(scanPointers, name)} }
	pointer := func(name string) Register {
		p := GP64()
		MOVQ(field(name), p)
		return p
	}
	Label("row")
	dt, dtx, dsum, sumA, sumB := vectors(2), vectors(2), vectors(2), vectors(2), vectors(2)
	for i := range 2 {
		z, x, y, dy, dd := YMM(), YMM(), YMM(), YMM(), YMM()
		VMOVUPS(at(pointer("z"), 32*i), z)
		s := sigmoid(z)
		slope := siluDerivative(z, s)
		VMOVUPS(at(pointer("x"), 32*i), x)
		VMOVUPS(at(pointer("d"), 32*i), y)
		VFMADD213PS(at(pointer("sums"), 32*i), x, y)
		VMOVUPS(at(pointer("dy"), 32*i), dy)
		VMULPS(dy, y, y)
		VMULPS(slope, y, y)
		VMOVUPS(y, at(pointer("dz"), 32*i))
		VMULPS(z, s, dsum[i])
		VMULPS(dy, dsum[i], dsum[i])
		sum := pointer("dd")
		VMOVUPS(at(sum, 32*i), dd)
		VFMADD231PS(x, dsum[i], dd)
		VMOVUPS(dd, at(sum, 32*i))
		VMOVUPS(at(pointer("dt"), 32*i), dt[i])
		VMULPS(x, dt[i], dtx[i])
		VXORPS(sumA[i], sumA[i], sumA[i])
		VXORPS(sumB[i], sumB[i], sumB[i])
	}
	b, c, before, after, decays, lanes := pointer("b"), pointer("c"), pointer("before"), pointer("after"), pointer("decays"), pointer("lanes")
	a, da, dh := pointer("a"), pointer("da"), pointer("dh")
	n, off := GP64(), GP64()
	XORQ(n, n)
	XORQ(off, off)
	Label("state")
	part := func(base Register, i int) Mem { return Mem{Base: base, Index: off, Scale: 1, Disp: 32 * i} }
	bv, cv, laneB, laneC := YMM(), YMM(), YMM(), YMM()
	VBROADCASTSS(Mem{Base: b, Index: n, Scale: 4}, bv)
	VBROADCASTSS(Mem{Base: c, Index: n, Scale: 4}, cv)
	VMOVUPS(part(lanes, 0), laneB)
	VMOVUPS(part(lanes, 1), laneC)
	for i := range 2 {
		g, sum := YMM(), YMM()
		VMOVUPS(part(dh, i), g)
		VFMADD231PS(cv, dsum[i], g)
		VFMADD231PS(part(after, i), dsum[i], laneC)
		VFMADD231PS(bv, g, sumB[i])
		VFMADD231PS(dtx[i], g, laneB)
		VMULPS(part(decays, i), g, g)
		VMOVUPS(g, part(dh, i))
		VMULPS(part(before, i), g, g)
		VFMADD231PS(part(a, i), g, sumA[i])
		VMOVUPS(part(da, i), sum)
		VFMADD231PS(dt[i], g, sum)
		VMOVUPS(sum, part(da, i))
	}
	VMOVUPS(laneB, part(lanes, 0))
	VMOVUPS(laneC, part(lanes, 1))
	ADDQ(Imm(64), off)
	INCQ(n)
	count, err := Param("s").Resolve()
	if err != nil {
		panic(err)
	}
	CMPQ(n, count.Addr)
	JLT(LabelRef("state"))

	for i := range 2 {
		x, slope, dx := YMM(), YMM(), YMM()
		VMOVUPS(at(pointer("x"), 32*i), x)
		VFMADD213PS(sumA[i], sumB[i], x)
		VMOVAPS(dt[i], slope)
		oneMinusExp(slope)
		VMULPS(slope, x, x)
		VMOVUPS(x, at(pointer("ddt"), 32*i))
		VMULPS(at(pointer("d"), 32*i), dsum[i], dx)
		VFMADD231PS(sumB[i], dt[i], dx)
		VMOVUPS(dx, at(pointer("dx"), 32*i))
	}
	// To the row before, if there is one: pointers must not leave their slices. A row of states takes off bytes.
	DECQ(l)
	JZ(LabelRef("end"))
	for _, name := range []string{"before", "after", "decays", "lanes"} {
		SUBQ(off, field(name))
	}
	SUBQ(Imm(64), field("sums"))
	for _, by := range [][]string{{"stride", "x", "dt", "dy", "dx", "ddt"}, {"zstride", "z", "dz"}, {"ldbc", "b", "c"}} {
		step := Load(Param(by[0]), GP64())
		SHLQ(Imm(2), step)
		for _, name := range by[1:] {
			SUBQ(step, field(name))
		}
	}
	JMP(LabelRef("row"))
	Label("end")
	VZEROUPPER()
	RET()
}

// oneMinusExp replaces x, at least 0, by 1-e^-x with a small relative error, for small x, too. It is exp with the 1 of
// the polynomial apart: with e^r = 1+m and -x = n·ln 2 + r, 1-e^-x is (1-2^n) - m·2^n.
func oneMinusExp(x VecVirtual) {
	t, n, p := YMM(), YMM(), YMM()
	negate(x)
	VMOVUPS(f32(expLow), t)
	VMAXPS(x, t, x) // NaN stays
	VMOVUPS(f32(expShift), t)
	VMOVAPS(t, n)
	VFMADD231PS(f32(math.Log2E), x, t)
	VSUBPS(n, t, n)
	VFNMADD231PS(f32(ln2High), n, x)
	VFNMADD231PS(f32(ln2Low), n, x)
	VMOVUPS(f32(expPolynomial[0]), p)
	for _, c := range expPolynomial[1 : len(expPolynomial)-1] {
		VFMADD213PS(f32(c), x, p)
	}
	VMULPS(p, x, p)       // m
	VPSLLD(Imm(23), t, t) // 2^n
	VMOVUPS(f32(1), n)
	VSUBPS(t, n, x)
	VFNMADD231PS(t, p, x)
}

// convBackward writes one row of the backward pass of the causal convolution over n channels, a multiple of 8: with
// v = bias + Σ_j weight[j]·in[j], it multiplies d by the derivative of silu at v and adds d to dbias and d·in[j] to
// dweight[j]. in holds the addresses of the w input rows; weight and dweight have stride floats between their rows.
func convBackward() {
	TEXT("convBackwardAVX2", NOSPLIT, "func(d *float32, bias *float32, dbias *float32, weight *float32, dweight *float32, stride int, in **float32, w int, n int)")
	Pragma("noescape")
	d, bias, dbias := Load(Param("d"), GP64()), Load(Param("bias"), GP64()), Load(Param("dbias"), GP64())
	stride, n := Load(Param("stride"), GP64()), Load(Param("n"), GP64())
	SHLQ(Imm(2), stride)
	SHLQ(Imm(2), n)
	at := GP64() // bytes into the rows
	XORQ(at, at)
	row := func(base Register) Mem { return Mem{Base: base, Index: at, Scale: 1} }
	taps := func(label, of string, body func(w, in Register)) {
		w, in, left, input := Load(Param(of), GP64()), Load(Param("in"), GP64()), Load(Param("w"), GP64()), GP64()
		ADDQ(at, w)
		Label(label)
		MOVQ(Mem{Base: in}, input)
		body(w, input)
		ADDQ(stride, w)
		ADDQ(Imm(8), in)
		DECQ(left)
		JNZ(LabelRef(label))
	}
	Label("channels")
	CMPQ(at, n)
	JGE(LabelRef("end"))
	v, sum := YMM(), YMM()
	VMOVUPS(row(bias), v)
	taps("value", "weight", func(w, in Register) {
		x := YMM()
		VMOVUPS(row(in), x)
		VFMADD231PS(Mem{Base: w}, x, v)
	})
	slope := siluDerivative(v, sigmoid(v))
	VMULPS(row(d), slope, slope)
	VMOVUPS(slope, row(d))
	VADDPS(row(dbias), slope, sum)
	VMOVUPS(sum, row(dbias))
	taps("gradient", "dweight", func(w, in Register) {
		g := YMM()
		VMOVUPS(Mem{Base: w}, g)
		VFMADD231PS(row(in), slope, g)
		VMOVUPS(g, Mem{Base: w})
	})
	ADDQ(Imm(32), at)
	JMP(LabelRef("channels"))
	Label("end")
	VZEROUPPER()
	RET()

	// dst = Σ_j weight[j]·in[j].
	TEXT("convSumAVX2", NOSPLIT, "func(dst *float32, weight *float32, stride int, in **float32, w int, n int)")
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	stride, n = Load(Param("stride"), GP64()), Load(Param("n"), GP64())
	SHLQ(Imm(2), stride)
	SHLQ(Imm(2), n)
	at = GP64()
	XORQ(at, at)
	Label("channels")
	CMPQ(at, n)
	JGE(LabelRef("end"))
	v = YMM()
	VXORPS(v, v, v)
	taps("value", "weight", func(w, in Register) {
		x := YMM()
		VMOVUPS(row(in), x)
		VFMADD231PS(Mem{Base: w}, x, v)
	})
	VMOVUPS(v, row(dst))
	ADDQ(Imm(32), at)
	JMP(LabelRef("channels"))
	Label("end")
	VZEROUPPER()
	RET()
}

// elementwiseBackward writes the kernels on whole slices, n a multiple of 8.
func elementwiseBackward() {
	TEXT("siluMulBackwardAVX2", NOSPLIT, "func(dgate *float32, dup *float32, gate *float32, up *float32, dact *float32, n int)")
	Pragma("noescape")
	var p []Register
	for _, name := range []string{"dgate", "dup", "gate", "up", "dact"} {
		p = append(p, Load(Param(name), GP64()))
	}
	n := Load(Param("n"), GP64())
	loop("k8", n, 8, func() {
		x, d := YMM(), YMM()
		VMOVUPS(at(p[2], 0), x)
		s := sigmoid(x)
		slope := siluDerivative(x, s)
		VMOVUPS(at(p[4], 0), d)
		VMULPS(x, s, s)
		VMULPS(d, s, s)
		VMULPS(at(p[3], 0), d, d)
		VMULPS(slope, d, d)
		VMOVUPS(s, at(p[1], 0))
		VMOVUPS(d, at(p[0], 0))
		for _, r := range p {
			ADDQ(Imm(32), r)
		}
	})
	VZEROUPPER()
	RET()

	// The sum of x·y·z, in eight interleaved sums.
	TEXT("sumProductsAVX2", NOSPLIT, "func(x *float32, y *float32, z *float32, n int) float32")
	Pragma("noescape")
	x, y, z := Load(Param("x"), GP64()), Load(Param("y"), GP64()), Load(Param("z"), GP64())
	n = Load(Param("n"), GP64())
	sum := YMM()
	VXORPS(sum, sum, sum)
	loop("k8", n, 8, func() {
		v := YMM()
		VMOVUPS(at(x, 0), v)
		VMULPS(at(y, 0), v, v)
		VFMADD231PS(at(z, 0), v, sum)
		for _, r := range []Register{x, y, z} {
			ADDQ(Imm(32), r)
		}
	})
	Store(lanesSum(sum), ReturnIndex(0))
	VZEROUPPER()
	RET()

	// dweight += dy·x·scale and dx += scale·weight·dy - along·x.
	TEXT("normBackwardAVX2", NOSPLIT, "func(dx *float32, dweight *float32, dy *float32, x *float32, weight *float32, n int, scale float32, along float32)")
	Pragma("noescape")
	p = nil
	for _, name := range []string{"dx", "dweight", "dy", "x", "weight"} {
		p = append(p, Load(Param(name), GP64()))
	}
	n = Load(Param("n"), GP64())
	scale, along := broadcast("scale"), broadcast("along")
	loop("k8", n, 8, func() {
		dx, dw, dy, v := YMM(), YMM(), YMM(), YMM()
		VMULPS(at(p[2], 0), scale, dy)
		VMOVUPS(at(p[3], 0), v)
		VMOVUPS(at(p[1], 0), dw)
		VFMADD231PS(v, dy, dw)
		VMOVUPS(dw, at(p[1], 0))
		VMOVUPS(at(p[0], 0), dx)
		VFMADD231PS(at(p[4], 0), dy, dx)
		VFNMADD231PS(along, v, dx)
		VMOVUPS(dx, at(p[0], 0))
		for _, r := range p {
			ADDQ(Imm(32), r)
		}
	})
	VZEROUPPER()
	RET()
}

// broadcast loads a float32 parameter into all lanes.
func broadcast(param string) VecVirtual {
	addr, err := Param(param).Resolve()
	if err != nil {
		panic(err)
	}
	v := YMM()
	VBROADCASTSS(addr.Addr, v)
	return v
}

// copies writes what brings the operands of products into the order in which the tiles read them.
func copies() {
	// dst [k, 16] = k rows of 16 floats of src, ldsrc apart.
	TEXT("copyPanelAVX2", NOSPLIT, "func(dst *float32, src *float32, ldsrc int, k int)")
	Pragma("noescape")
	dst, src, ldsrc, k := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("ldsrc"), GP64()), Load(Param("k"), GP64())
	SHLQ(Imm(2), ldsrc)
	row := func(off int) {
		v := vectors(2)
		for i := range v {
			VMOVUPS(at(src, 32*i), v[i])
		}
		for i := range v {
			VMOVUPS(v[i], at(dst, 64*off+32*i))
		}
		ADDQ(ldsrc, src)
	}
	loop("k4", k, 4, func() {
		for i := range 4 {
			row(i)
		}
		ADDQ(U32(256), dst)
	})
	loop("k1", k, 1, func() {
		row(0)
		ADDQ(Imm(64), dst)
	})
	VZEROUPPER()
	RET()

	// dst [tiles, k, 6] = k rows of 6·tiles floats of src, ldsrc apart.
	TEXT("gatherAVX2", NOSPLIT, "func(dst *float32, src *float32, ldsrc int, tiles int, k int)")
	Pragma("noescape")
	dst, src, ldsrc = Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("ldsrc"), GP64())
	k = Load(Param("k"), GP64())
	SHLQ(Imm(2), ldsrc)
	tile := GP64() // bytes from one to the next
	MOVQ(k, tile)
	IMUL3Q(Imm(24), tile, tile)
	loop("row", k, 1, func() {
		from, to, n := GP64(), GP64(), Load(Param("tiles"), GP64())
		MOVQ(src, from)
		MOVQ(dst, to)
		Label("tile")
		four, two := XMM(), XMM()
		VMOVUPS(at(from, 0), four)
		VMOVSD(at(from, 16), two)
		VMOVUPS(four, at(to, 0))
		VMOVSD(two, at(to, 16))
		ADDQ(Imm(24), from)
		ADDQ(tile, to)
		DECQ(n)
		JNZ(LabelRef("tile"))
		ADDQ(ldsrc, src)
		ADDQ(Imm(24), dst)
	})
	RET()
}

// sumLanes writes dst[i] = the sum of the eight values of lanes[i], for i < n.
func sumLanes() {
	TEXT("sumLanesAVX2", NOSPLIT, "func(dst *float32, lanes *float32, n int)")
	Pragma("noescape")
	dst, lanes, n := Load(Param("dst"), GP64()), Load(Param("lanes"), GP64()), Load(Param("n"), GP64())
	loop("k1", n, 1, func() {
		v := YMM()
		VMOVUPS(at(lanes, 0), v)
		VMOVSS(lanesSum(v), at(dst, 0))
		ADDQ(Imm(32), lanes)
		ADDQ(Imm(4), dst)
	})
	VZEROUPPER()
	RET()
}

// adamFactors are the fields of package kernel's AdamW, in its order.
var adamFactors = []string{"scale", "keep", "beta1", "beta2", "rest1", "rest2", "step", "correct", "eps"}

// adam writes one step of AdamW on n parameters, a multiple of 8: see adamWGeneric in package kernel.
func adam() {
	TEXT("adamWAVX2", NOSPLIT, "func(x *float32, grad *float32, m *float32, v *float32, n int, factors *float32)")
	Pragma("noescape")
	x, grad, m, v := Load(Param("x"), GP64()), Load(Param("grad"), GP64()), Load(Param("m"), GP64()), Load(Param("v"), GP64())
	n, factors := Load(Param("n"), GP64()), Load(Param("factors"), GP64())
	f := map[string]VecVirtual{}
	for i, name := range adamFactors {
		f[name] = YMM()
		VBROADCASTSS(at(factors, 4*i), f[name])
	}
	loop("k8", n, 8, func() {
		g, mean, square, w := YMM(), YMM(), YMM(), YMM()
		VMULPS(at(grad, 0), f["scale"], g)
		VMULPS(at(m, 0), f["beta1"], mean)
		VFMADD231PS(g, f["rest1"], mean)
		VMOVUPS(mean, at(m, 0))
		VMULPS(g, g, g)
		VMULPS(at(v, 0), f["beta2"], square)
		VFMADD231PS(g, f["rest2"], square)
		VMOVUPS(square, at(v, 0))
		VSQRTPS(square, square)
		VFMADD213PS(f["eps"], f["correct"], square)
		VMULPS(f["step"], mean, mean)
		VDIVPS(square, mean, mean)
		VMOVUPS(at(x, 0), w)
		VFMSUB213PS(mean, f["keep"], w)
		VMOVUPS(w, at(x, 0))
		for _, r := range []Register{x, grad, m, v} {
			ADDQ(Imm(32), r)
		}
	})
	VZEROUPPER()
	RET()
}
