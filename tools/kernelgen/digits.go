package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// A block of 32 activations in digits: the higher ones, the lower ones, the scale, scale·sum, and what is to be added to the
// sums of products with weights that had 128 or 32 added, see digitTiles in package kernel.
const (
	digitLow   = 32
	digitScale = 64
	digitSum   = 68
	digitTaken = 72
	digitBlock = 88
)

// Bases of digits, as powers of two: beside K formats with minima, and without.
const (
	digitBase      = 8
	digitBaseSuper = 7
	digitBaseOnly  = 6
)

// digitFormat is an arithmetic as digit tiles compute it.
type digitFormat struct {
	title  string
	bits   int  // of a weight: 4, 5, 6 or 8
	signed bool // half of their range was added to weights
	sub    int  // columns of a sub-block with a scale of a byte; 0: there are no super-blocks
	minima bool
	// base and columns are such that sums of each digit over so many columns are 16 bits, if there are super-blocks.
	base, columns int
}

// digits writes the integer products of few rows of activations by products of bytes, with the integers and the floats of
// quantized and superblocks: numbers of activations are two digits, for each of which there is a sum, and nothing is widened.
func digits() {
	for _, f := range []digitFormat{
		{"I8", 8, true, 0, false, digitBase, 32},
		{"I8m", 5, false, 0, true, digitBase, 32},
		{"I4", 4, false, 0, true, digitBase, 32},
		{"K4", 4, false, 32, true, digitBaseSuper, 32},
		{"K5", 5, false, 32, true, digitBaseSuper, 16},
		{"K6", 6, true, 16, false, digitBaseOnly, 16},
	} {
		for m := 1; m <= v.packedRows; m++ {
			if f.sub == 0 {
				f.blockTile(m)
			} else {
				f.superTile(m)
			}
		}
	}
	roundDigits()
}

// digitTile are the operands of a tile of digits.
type digitTile struct {
	digitFormat
	m            int
	w, n, ws, wm Register
	x            func(i int) Mem
	bases        []Register
	nibble       VecVirtual // the mask of lower halves of bytes
	five         fiveMasks
	six          sixMasks
	none         VecVirtual // zeroes: to the allocator, what is cleared by itself is in use before
}

func (f digitFormat) load(m int, more string) *digitTile {
	TEXT(name("digits", f.title, v.title, "x", m), NOSPLIT, "func(dst *float32, ldd int, x *int16, ldx int, w *byte, "+more+"ws *byte, wm *byte, blocks int)")
	Pragma("noescape")
	t := &digitTile{digitFormat: f, m: m, none: v.register()}
	t.w, t.ws, t.n = Load(Param("w"), GP64()), Load(Param("ws"), GP64()), Load(Param("blocks"), GP64())
	if f.minima {
		t.wm = Load(Param("wm"), GP64())
	}
	x, ldx := Load(Param("x"), GP64()), Load(Param("ldx"), GP64())
	t.x, t.bases = rowsOf(x, ldx, m)
	if f.bits == 4 {
		t.nibble = v.register()
		VMOVDQU32(u32(0x0F0F0F0F), t.nibble)
	}
	switch f.bits {
	case 5:
		t.five = newFiveMasks(m < 6)
	case 6:
		t.six = newSixMasks(true)
	}
	zero(t.none)
	return t
}

// products returns the sums of those of columns first to last of the n-th 32 from here, for each digit. What was added to signed
// weights is taken off, of blocks of 32 columns from the lower sum alone.
func (t *digitTile) products(n, first, last int) (high, low []VecVirtual) {
	high, low = vectors(t.m), vectors(t.m)
	for i := range t.m {
		taken := func(digit int) Mem { return disp(t.x(i), digitBlock*n+digitTaken+8*(first/t.columns)+4*digit) }
		if t.signed && t.sub > 0 {
			VPBROADCASTD(taken(0), high[i])
		} else {
			VMOVDQA32(t.none, high[i])
		}
		if t.signed {
			VPBROADCASTD(taken(1), low[i])
		} else {
			VMOVDQA32(t.none, low[i])
		}
	}
	dots := func(column int, w VecVirtual) {
		for i := range t.m {
			v.bytesDot(disp(t.x(i), digitBlock*n+column), w, high[i])
			v.bytesDot(disp(t.x(i), digitBlock*n+digitLow+column), w, low[i])
		}
	}
	fetch := prefetchI8
	if t.bits == 5 {
		t.five.fiveBits(t.w, v.bytes*n*t.bits, first, last, func(off int) { prefetch(t.w, off, fetch) }, dots)
		return high, low
	}
	if t.bits == 6 {
		t.six.sixBits(t.w, v.bytes*(n*t.bits+first/16*3), func(off int) { prefetch(t.w, off, fetch) }, func(column int, w VecVirtual) {
			dots(first+column, w)
		})
		return high, low
	}
	if t.bits == 4 {
		fetch = prefetchI4
	}
	for column := first; column < last; column += 4 {
		off := v.bytes * (n*t.bits + column/4)
		if t.bits == 4 && column >= 16 {
			break // they are in upper halves of bytes
		}
		if off%64 == 0 {
			prefetch(t.w, off, fetch)
		}
		w := v.register()
		v.load(at(t.w, off), w)
		if t.bits == 8 {
			dots(column, w)
			continue
		}
		upper := v.register()
		VPSRLW(Imm(4), w, upper)
		VPANDD(t.nibble, w, w)
		VPANDD(t.nibble, upper, upper)
		dots(column, w)
		dots(column+16, upper)
	}
	return high, low
}

// scales widens a vector of fp16.
func (t *digitTile) scales(from Register) VecVirtual {
	to := v.register()
	VCVTPH2PS(at(from, 0), to)
	add(v.bytes/2, from)
	return to
}

// next goes on by n times 32 columns.
func (t *digitTile) next(n int) {
	add(n*t.bits*v.bytes, t.w)
	for _, r := range t.bases {
		add(n*digitBlock, r)
	}
}

// store writes the results and returns.
func (t *digitTile) store(acc outputs) {
	dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	for i := range t.m {
		VMOVUPS(acc.get(i), at(dst, 0))
		if i < t.m-1 {
			ADDQ(ldd, dst)
		}
	}
	VZEROUPPER()
	RET()
}

// blockTile writes the tile of m rows and a panel with a scale for each block of 32 columns, an fp16 of ws, and a minimum.
func (f digitFormat) blockTile(m int) {
	t := f.load(m, "")
	acc := outputs{registers: vectors(m)}
	for _, a := range acc.registers {
		VMOVAPS(t.none, a)
	}
	loop("block", t.n, 1, func() {
		high, sums := t.products(0, 0, 32)
		scale := t.scales(t.ws)
		var minimum VecVirtual
		if f.minima {
			minimum = t.scales(t.wm)
		}
		for i, a := range acc.registers {
			s := v.register()
			VPSLLD(Imm(digitBase), high[i], high[i])
			VPADDD(high[i], sums[i], sums[i])
			VCVTDQ2PS(sums[i], sums[i])
			VMULPS_BCST(disp(t.x(i), digitScale), scale, s)
			VFMADD231PS(s, sums[i], a)
			if f.minima {
				VFMADD231PS_BCST(disp(t.x(i), digitSum), minimum, a)
			}
		}
		t.next(1)
	})
	t.store(acc)
}

// superTile writes the tile of m rows and a panel of a K format: ws and wm have an fp16 for each super-block and row, sc
// a byte for each sub-block, sm one for each 32 columns. blocks are super-blocks.
func (f digitFormat) superTile(m int) {
	t := f.load(m, "sc *byte, sm *byte, ")
	const columns = 4 // times 32 of activations have a scale
	sc, sm := Load(Param("sc"), GP64()), GP64()
	if f.minima {
		Load(Param("sm"), sm)
	}
	half, count := AllocLocal(8), AllocLocal(8)
	var acc outputs
	if 4*m+8 <= v.registers {
		acc.registers = vectors(m)
	} else {
		acc.memory = alignedLocal(v.bytes * m)
	}
	for i := range m {
		acc.set(i, t.none)
	}
	all := vectors(m)
	// column adds the products with the n-th 32 columns from here to all. Sums are 16 bits, which are multiplied by the scale of
	// their sub-block, those of the higher digits by the base, too, and added in one instruction.
	column := func(n int) {
		low, high := v.register(), v.register()
		for part := range 32 / f.columns {
			first := part * f.columns
			highs, lows := t.products(n, first, first+f.columns)
			if first%f.sub == 0 {
				VPMOVSXBD(at(sc, v.words()*(n*32+first)/f.sub), low)
				if f.signed { // their scales have signs, too
					VPANDD(u32(0xFFFF), low, low)
				}
				VPSLLW(Imm(uint64(f.base)), low, high)
			}
			for i, a := range all {
				v.dot(high, highs[i], a)
				v.dot(low, lows[i], a)
			}
		}
	}
	next := func(n int) {
		t.next(n)
		add(n*v.words()*32/f.sub, sc)
	}
	loop("super", t.n, 1, func() {
		scale := t.scales(t.ws)
		var minimum VecVirtual
		if f.minima {
			minimum = t.scales(t.wm)
		}
		MOVQ(U32(2), half)
		Label("half")
		for _, a := range all {
			VMOVDQA32(t.none, a)
		}
		if m <= fewRows {
			for n := range columns {
				column(n)
			}
			next(columns)
		} else {
			MOVQ(U32(columns), count)
			Label("columns")
			column(0)
			next(1)
			DECQ(count)
			JNZ(LabelRef("columns"))
		}
		before := func(i, n, off int) Mem { return disp(t.x(i), off-digitBlock*(columns-n)) }
		floats := vectors(m)
		for i, sum := range all {
			s := v.register()
			floats[i] = acc.get(i)
			VCVTDQ2PS(sum, sum)
			VMULPS_BCST(before(i, 0, digitScale), scale, s)
			VFMADD231PS(s, sum, floats[i])
			if !f.minima {
				acc.set(i, floats[i])
			}
		}
		if f.minima {
			for n := range columns {
				least := v.register()
				VPMOVSXBD(at(sm, v.words()*n), least)
				VCVTDQ2PS(least, least)
				VMULPS(minimum, least, least)
				for i, a := range floats {
					VFMADD231PS_BCST(before(i, n, digitSum), least, a)
				}
			}
			add(columns*v.words(), sm)
			for i, a := range floats {
				acc.set(i, a)
			}
		}
		DECQ(half)
		JNZ(LabelRef("half"))
	})
	t.store(acc)
}

// alignedLocal is local memory that begins with a line of the cache: vectors across two of them are stored and loaded slowly.
func alignedLocal(n int) Mem {
	begin := GP64()
	LEAQ(AllocLocal(n+64).Offset(63), begin)
	ANDQ(I8(-64), begin)
	return at(begin, 0)
}

// roundDigits writes the rounding of activations to digits, to integers of at most limit, which two signed digits hold. times
// multiplies scale·sum.
func roundDigits() {
	roundParts("roundBlocks", 1, digitBase)
	roundParts("roundSupers", 4, digitBaseSuper)
	roundParts("roundSupersOnly", 4, digitBaseOnly)
}

// roundParts rounds blocks of so many times 32 numbers that share a scale. Beside formats without minima there is what is taken
// off for weights with 128 added: of 32 columns if they are a block, else, with 32 added, of each digit of 16, the sub-blocks of
// Q6_K.
func roundParts(title string, parts, base int) {
	TEXT(title+v.tier, NOSPLIT, "func(q *int16, x *float32, limit float32, times float32, blocks int)")
	Pragma("noescape")
	q, x, n := Load(Param("q"), GP64()), Load(Param("x"), GP64()), Load(Param("blocks"), GP64())
	sum := func(x VecVirtual) VecVirtual { return fold(x, func(a, b, to Op) { VPADDD(a, b, to) }) }
	half := 7 // what was added to weights, as a power of two
	if base == digitBaseOnly {
		half = 5
	}
	taken := func(sum VecVirtual, to Mem) {
		off, none := XMM(), XMM()
		VPSLLD(Imm(uint64(half)), sum, off)
		VPXOR(none, none, none)
		VPSUBD(off, none, off)
		VMOVD(off, to)
	}
	loop("block", n, 1, func() {
		numbers, scale, factor := scaled(x, scalar("limit"), parts)
		for part := range parts {
			pair, to := numbers[2*part:2*part+2], digitBlock*part
			for _, a := range pair {
				VMULPS(factor, a, a)
				VCVTPS2DQ(a, a)
			}
			if base != digitBaseOnly {
				both := ZMM()
				VPADDD(pair[0], pair[1], both)
				all := sum(both)
				if base == digitBase {
					taken(all, at(q, to+digitTaken+4))
				}
				VCVTDQ2PS(all, all)
				VMULSS(scale, all, all)
				VMULSS(scalar("times"), all, all)
				VMOVSS(all, at(q, to+digitSum))
			}
			VMOVSS(scale, at(q, to+digitScale))
			for i, low := range pair {
				high, whole := ZMM(), ZMM()
				VPADDD(u32(1<<(base-1)), low, high)
				VPSRAD(Imm(uint64(base)), high, high)
				VPSLLD(Imm(uint64(base)), high, whole)
				VPSUBD(whole, low, low)
				VPMOVDB(high, at(q, to+16*i))
				VPMOVDB(low, at(q, to+digitLow+16*i))
				if base == digitBaseOnly {
					taken(sum(high), at(q, to+digitTaken+8*i))
					taken(sum(low), at(q, to+digitTaken+8*i+4))
				}
			}
		}
		add(parts*digitBlock, q)
		add(parts*128, x)
	})
	VZEROUPPER()
	RET()
}
