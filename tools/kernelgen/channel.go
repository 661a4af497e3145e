package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// digitsMost is the largest number of activations beside 8 bits: two signed digits to the base 256 hold it.
const digitsMost = 127<<8 + 127

// What package kernel says of the numbers of these products, see channelTiles there.
const (
	channelStretch = 512 // columns that products of 16 bits are added up for
	// A tile of many rows has up to those rows, and those panels.
	channelPairRows = 6
	channelPair     = 2
	// channelPairFetch is how many bytes such a tile fetches with 32 columns at most.
	channelPairFetch = 256
)

// channels writes the products of weights with one scale for a row, see channelTiles in package kernel: with products of
// bytes if v has some, else of 16 bits.
func channels() {
	if v.bytesDot != nil {
		for m := 1; m <= v.channelRows; m++ {
			channelBytes(m, 1)
		}
		if v.wide() {
			for m := 1; m <= channelPairRows; m++ {
				channelBytes(m, channelPair)
			}
		}
		return
	}
	for m := 1; m <= v.packedRows; m++ {
		channelWords(m)
	}
}

// channelOperands are those of channel tiles.
type channelOperands struct {
	w, ws, wide, n Register
	x              func(i int) Mem
	bases          []Register
	xs             func(i int) Mem
}

func channelLoad(title, more string, m int) (o channelOperands) {
	TEXT(title, NOSPLIT, "func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *byte, ws *float32, "+more+", blocks int)")
	Pragma("noescape")
	o.w, o.n = Load(Param("w"), GP64()), Load(Param("blocks"), GP64())
	x, ldx := Load(Param("x"), GP64()), Load(Param("ldx"), GP64())
	o.x, o.bases = rowsOf(x, ldx, m)
	return o
}

// scales loads what is needed at the end.
func (o *channelOperands) scales(m int) {
	o.ws = Load(Param("ws"), GP64())
	xs, ldxs := Load(Param("xs"), GP64()), Load(Param("ldxs"), GP64())
	SHLQ(Imm(2), ldxs)
	o.xs, _ = rowsOf(xs, ldxs, m)
}

// next goes on to the next 32 columns.
func (o *channelOperands) next() {
	add(8*v.bytes, o.w)
	for _, r := range o.bases {
		ADDQ(Imm(64), r)
	}
}

// half is a register of half a vector.
func (v vector) half() VecVirtual {
	if v.wide() {
		return YMM()
	}
	return XMM()
}

// narrow rounds a vector of float64 to half a vector of float32.
func (v vector) narrow(x, to VecVirtual) {
	if v.wide() {
		VCVTPD2PS(x, to)
	} else {
		VCVTPD2PSY(x, to)
	}
}

// upper moves the upper half of a vector.
func (v vector) upper(x, to VecVirtual) {
	if v.wide() {
		VEXTRACTI64X4(Imm(1), x, to)
	} else {
		VEXTRACTI128(Imm(1), x, to)
	}
}

// lower is the lower half of a vector.
func (v vector) lower(x VecVirtual) VecVirtual {
	if v.wide() {
		return x.AsY().(VecVirtual)
	}
	return x.AsX().(VecVirtual)
}

// store makes floats of the products of row i of activations with a panel, whose halves of a vector sum gives as float64,
// and stores them.
func (o *channelOperands) store(dst Register, i, panel int, sum func(half int, to VecVirtual)) {
	scale, taken := v.register(), v.register()
	one := XMM()
	VMOVSS(o.xs(i), one)
	VCVTSS2SD(one, one, one)
	VBROADCASTSD(one, scale)
	part := v.half()
	VPBROADCASTD(disp(o.xs(i), 4), part)
	VCVTDQ2PD(part, taken)
	VMULPD(f64(128), taken, taken)
	for half := range 2 {
		s, x := v.register(), v.register()
		sum(half, x) // before s is taken: with it, six rows of 256 bits would need 17 registers
		VSUBPD(taken, x, x)
		VCVTPS2PD(at(o.ws, panel*v.bytes+half*v.bytes/2), s)
		VMULPD(scale, s, s)
		VMULPD(s, x, x)
		out := v.half()
		v.narrow(x, out)
		VMOVUPS(out, at(dst, panel*v.bytes+half*v.bytes/2))
	}
}

// f64 returns the vector of that number in every place.
func f64(x float64) Mem {
	m, ok := doubles[x]
	if !ok {
		m = GLOBL(name("d", int(x)), RODATA|NOPTR)
		for i := range v.words() / 2 {
			DATA(8*i, F64(x))
		}
		doubles[x] = m
	}
	return m
}

var doubles = map[float64]Mem{}

// channelBytes writes the tile of m rows and so many panels, the second of which lies second bytes after the first, by
// products of bytes. For each digit there are as many sums as keep the processor busy. Two panels share what is fetched of x;
// with each 32 columns of theirs step bytes from fetch on are brought into the second cache.
func channelBytes(m, panels int) {
	title, more := name("gemmC8", v.title, "x", m), "wide *float64"
	if panels > 1 {
		title, more = name("gemmC8Pair", v.title, "x", m), "second int, fetch *byte, step int"
	}
	o := channelLoad(title, more, m)
	second, fetch, step := GP64(), GP64(), GP64()
	if panels > 1 {
		Load(Param("second"), second)
		Load(Param("fetch"), fetch)
		Load(Param("step"), step)
	}
	sum := make([][2]sums, panels)
	for panel := range sum {
		for digit := range 2 {
			all := make(sums, m)
			for i := range all {
				all[i] = vectors(max(1, min(4, v.chains/(2*m*panels))))
			}
			all.clear()
			sum[panel][digit] = all
		}
	}
	loop("block", o.n, 1, func() {
		weights := vectors(panels)
		for four := range 8 {
			off := four * v.bytes
			switch {
			case panels == 1 && off%64 == 0:
				PREFETCHT0(at(o.w, off+prefetchI8))
			case panels > 1 && 64*four < channelPairFetch:
				PREFETCHT1(at(fetch, 64*four))
			}
			for panel, w := range weights {
				from := at(o.w, off)
				if panel > 0 {
					from = Mem{Base: o.w, Index: second, Scale: 1, Disp: off}
				}
				v.load(from, w)
			}
			for i := range m {
				for digit := range 2 {
					x := disp(o.x(i), 4*four+32*digit)
					if panels == 1 {
						all := sum[0][digit][i]
						v.bytesDot(x, weights[0], all[four%len(all)])
						continue
					}
					both := v.register()
					VPBROADCASTD(x, both)
					for panel, w := range weights {
						all := sum[panel][digit][i]
						v.bytesDot(both, w, all[four%len(all)])
					}
				}
			}
		}
		o.next()
		if panels > 1 {
			ADDQ(step, fetch)
		}
	})
	o.scales(m)
	dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	for i := range m * panels {
		i, panel := i/panels, i%panels
		high, low := sum[panel][0].whole(i), sum[panel][1].whole(i)
		o.store(dst, i, panel, func(half int, to VecVirtual) {
			upper := v.register()
			for digit, from := range []VecVirtual{high, low} {
				part := v.lower(from)
				if half == 1 {
					part = v.half()
					v.upper(from, part)
				}
				if digit == 0 {
					VCVTDQ2PD(part, upper)
				} else {
					VCVTDQ2PD(part, to)
				}
			}
			VFMADD231PD(f64(256), upper, to)
		})
		if panel == panels-1 && i < m-1 {
			ADDQ(ldd, dst)
		}
	}
	VZEROUPPER()
	RET()
}

// load loads a vector of integers.
func (v vector) load(from Mem, to VecVirtual) {
	if v.wide() {
		VMOVDQU32(from, to)
	} else {
		VMOVDQU(from, to)
	}
}

// channelWords writes the tile of m rows by products of 16 bits. A vector has four columns of half of the weight rows; the
// sums of the first two and of the last two are added when they are float64.
func channelWords(m int) {
	o := channelLoad(name("gemmC8", v.title, "x", m), "wide *float64", m)
	o.wide = Load(Param("wide"), GP64())
	sum := make(sums, m)
	for i := range sum {
		sum[i] = vectors(2)
	}
	// Of what is added up there is float64 [m, 2, v.words()/2] in memory.
	place := func(i, half int) Mem { return at(o.wide, (2*i+half)*v.bytes) }
	none := v.register()
	VXORPD(none, none, none)
	for i := range m {
		for half := range 2 {
			VMOVUPD(none, place(i, half))
		}
	}
	Label("stretch")
	left := GP64()
	MOVQ(U32(channelStretch/32), left)
	CMPQ(o.n, left)
	CMOVQLT(o.n, left)
	SUBQ(left, o.n)
	sum.clear()
	Label("block")
	for four := range 8 {
		off := four * v.bytes
		if off%64 == 0 {
			PREFETCHT0(at(o.w, off+prefetchI8))
		}
		w := vectors(2)
		for half := range w {
			VPMOVZXBW(at(o.w, off+half*v.bytes/2), w[half])
		}
		for i := range m {
			x := v.register()
			VPBROADCASTQ(disp(o.x(i), 8*four), x)
			for half := range w {
				product := v.register()
				VPMADDWD(w[half], x, product)
				VPADDD(product, sum[i][half], sum[i][half])
			}
		}
	}
	o.next()
	DECQ(left)
	JNZ(LabelRef("block"))
	for i := range m {
		for half, s := range sum[i] {
			total := v.register()
			v.pairs(s, total)
			VADDPD(place(i, half), total, total)
			VMOVUPD(total, place(i, half))
		}
	}
	TESTQ(o.n, o.n)
	JNZ(LabelRef("stretch"))
	o.scales(m)
	dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	for i := range m {
		o.store(dst, i, 0, func(half int, to VecVirtual) {
			if v.wide() {
				VMOVUPD(place(i, half), to)
			} else {
				VPERMPD(Imm(0xD8), place(i, half), to) // as pairs left them
			}
		})
		if i < m-1 {
			ADDQ(ldd, dst)
		}
	}
	VZEROUPPER()
	RET()
}

// pairs adds pairs of int32, which it overwrites, as float64. Of 256 bits the two in the middle change places.
func (v vector) pairs(x, to VecVirtual) {
	if v.wide() {
		part, other := YMM(), ZMM()
		VPMOVQD(x, part)
		VCVTDQ2PD(part, to)
		VPSRLQ(Imm(32), x, x)
		VPMOVQD(x, part)
		VCVTDQ2PD(part, other)
		VADDPD(other, to, to)
		return
	}
	first, second, half := YMM(), YMM(), XMM()
	VCVTDQ2PD(x.AsX(), first)
	VEXTRACTI128(Imm(1), x, half)
	VCVTDQ2PD(half, second)
	VHADDPD(second, first, to)
}

// roundRow writes the rounding of a row to numbers from -digitsMost to digitsMost with one scale, as they are or, for
// products of bytes, in digits.
func roundRow(digits bool) {
	title := "roundRow"
	if digits {
		title = "roundDigits"
	}
	TEXT(title+v.tier, NOSPLIT, "func(q *int16, xs *float32, x *float32, blocks int)")
	Pragma("noescape")
	q, x, n := Load(Param("q"), GP64()), Load(Param("x"), GP64()), Load(Param("blocks"), GP64())
	each := 32 / v.words() // vectors of a block
	peak := v.register()
	zero(peak)
	loop("most", n, 1, func() {
		for i := range each {
			a := v.register()
			VMOVUPS(at(x, v.bytes*i), a)
			and(u32(0x7FFFFFFF), a, a)
			VPMAXSD(a, peak, peak)
		}
		ADDQ(U32(128), x)
	})
	limit := XMM()
	VMOVSS(f32(digitsMost), limit)
	scale, factor := roundScale(foldAll(peak, func(a, b, to Op) { VPMAXSD(a, b, to) }), limit)
	xs := Load(Param("xs"), GP64())
	VMOVSS(scale, at(xs, 0))
	Load(Param("x"), x)
	Load(Param("blocks"), n)
	total := v.register()
	zero(total)
	var order VecVirtual
	if digits && !v.wide() {
		order = YMM()
		VMOVDQU(packOrder(), order)
	}
	loop("block", n, 1, func() {
		numbers := vectors(each)
		for i, a := range numbers {
			VMULPS(at(x, v.bytes*i), factor, a)
			VCVTPS2DQ(a, a)
			VPADDD(a, total, total)
		}
		switch {
		case v.wide():
			for i, a := range numbers {
				if !digits {
					VPMOVSDW(a, at(q, 32*i))
					continue
				}
				VPMOVDB(a, at(q, 32+16*i))
				VPADDD(u32(128), a, a)
				VPSRAD(Imm(8), a, a)
				VPMOVDB(a, at(q, 16*i))
			}
		case digits:
			high := vectors(each)
			for i, a := range numbers {
				VPADDD(u32(128), a, high[i])
				VPSRAD(Imm(8), high[i], high[i])
				VPSLLD(Imm(24), a, a)
				VPSRAD(Imm(24), a, a)
			}
			packBytes(high, order, at(q, 0))
			packBytes(numbers, order, at(q, 32))
		default:
			for i := 0; i < each; i += 2 {
				// Packing works within halves of a vector: the quarters are put in order after it.
				VPACKSSDW(numbers[i+1], numbers[i], numbers[i])
				VPERMQ(Imm(0xD8), numbers[i], numbers[i])
				VMOVDQU(numbers[i], at(q, 16*i))
			}
		}
		ADDQ(U32(128), x)
		ADDQ(Imm(64), q)
	})
	VMOVD(foldAll(total, func(a, b, to Op) { VPADDD(a, b, to) }), at(xs, 4))
	VZEROUPPER()
	RET()
}

// foldAll is fold of a vector of any width.
func foldAll(x VecVirtual, join func(a, b, to Op)) VecVirtual {
	if v.wide() {
		return fold(x, join)
	}
	half, other := XMM(), XMM()
	VEXTRACTI128(Imm(1), x, half)
	join(x.AsX(), half, half)
	for _, order := range []uint64{0x4E, 0xB1} {
		VPSHUFD(Imm(order), half, other)
		join(other, half, half)
	}
	return half
}
