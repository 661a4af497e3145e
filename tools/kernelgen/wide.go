package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	wideRows   = 6 // of a wide tile
	widePanels = 2
)

// wide writes the integer products of many rows of activations: tiles of six rows and two panels, whose weights were
// widened to 16 bits before. A number of x serves both panels, and no weight is widened for one tile alone. The 12 sums
// of a block fill the registers; outputs are kept in memory. They are the floats of the other tiles, bit for bit.
func wide() {
	wideTile("gemmWide", false, false)
	wideTile("gemmWideM", false, true)
	wideTile("gemmWideK", true, false)
	wideTile("gemmWideKM", true, true)
	wideI8()
	wideI4()
	for _, f := range []superFormat{q4k, q5k, q6k} {
		f.forward = 0 // another panel is fetched
		wideSuper(f)
	}
}

// wideTile writes the tile for weights with a scale for each block of 32, or for those of K formats, which were multiplied
// by the scales of their sub-blocks before, see gemmSuper. w is int16 [k/2, 2, 8, 2], pairs of columns of each row of both
// panels. The scales and minima of the second panel lie second bytes after those of the first. blocks are those that have a
// scale, of 32 or 128 columns.
func wideTile(title string, super, minima bool) {
	TEXT(title, NOSPLIT, "func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *int16, ws *float32, wm *float32, second int, blocks int, add bool)")
	Pragma("noescape")
	const sums = wideRows * widePanels
	var count Mem
	if super {
		count = AllocLocal(8)
	}
	local := GP64() // the outputs, at a multiple of 64 bytes
	LEAQ(AllocLocal(32*sums+64).Offset(63), local)
	ANDQ(I8(-64), local)
	acc := func(i, panel int) Mem { return at(local, 32*(widePanels*i+panel)) }
	dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	// The outputs of the next tile, which lie below, may be in no cache.
	next := GP64()
	LEAQ(Mem{Base: ldd, Index: ldd, Scale: 2}, next)
	LEAQ(Mem{Base: dst, Index: next, Scale: 2}, next)
	for range wideRows {
		PREFETCHT0(at(next, 0))
		ADDQ(ldd, next)
	}
	outputs := func(one func(i, panel int)) {
		for i := range wideRows {
			for panel := range widePanels {
				one(i, panel)
			}
			if i < wideRows-1 {
				ADDQ(ldd, dst)
			}
		}
	}
	more := Load(Param("add"), GP8())
	TESTB(more, more)
	JZ(LabelRef("zero"))
	outputs(func(i, panel int) {
		a := YMM()
		VMOVUPS(at(dst, 32*panel), a)
		VMOVUPS(a, acc(i, panel))
	})
	JMP(LabelRef("start"))
	Label("zero")
	none := YMM()
	VXORPS(none, none, none)
	for i := range wideRows {
		for panel := range widePanels {
			VMOVUPS(none, acc(i, panel))
		}
	}
	Label("start")
	o := loadOperands(wideRows, minima)
	second := Load(Param("second"), GP64())
	scales := func(base Register, off, panel int) Mem {
		if panel == 0 {
			return at(base, off)
		}
		return Mem{Base: base, Index: second, Scale: 1, Disp: off}
	}
	// products adds those with 32 columns.
	products := func(sum []VecVirtual, first bool) {
		w, t, b := vectors(widePanels), YMM(), YMM()
		for pair := range 16 {
			for panel := range w {
				VMOVDQU(at(o.w, 32*(widePanels*pair+panel)), w[panel])
			}
			for i := range wideRows {
				VPBROADCASTD(disp(o.x(i), 4*pair), b)
				if first && pair == 0 {
					VPMADDWD(w[0], b, sum[2*i])
					VPMADDWD(w[1], b, sum[2*i+1])
					continue
				}
				VPMADDWD(w[0], b, t)
				VPMADDWD(w[1], b, b)
				VPADDD(t, sum[2*i], sum[2*i])
				VPADDD(b, sum[2*i+1], sum[2*i+1])
			}
		}
		add(32*32*widePanels/2, o.w)
		for _, r := range o.xbases {
			ADDQ(Imm(64), r)
		}
	}
	// floats adds the sums to the outputs, and the minima of so many times 32 columns.
	floats := func(sum []VecVirtual, columns int) {
		for i := range wideRows {
			xs, s := YMM(), YMM()
			VBROADCASTSS(o.xs(i), xs)
			for panel := range widePanels {
				a := sum[2*i+panel]
				VCVTDQ2PS(a, a)
				VMULPS(scales(o.ws, 0, panel), xs, s)
				VFMADD213PS(acc(i, panel), s, a)
			}
			for j := 0; j < columns && minima; j++ {
				xm := YMM()
				VBROADCASTSS(disp(o.xs(i), 8*j+4), xm)
				for panel := range widePanels {
					VFMADD231PS(scales(o.wm, 32*j, panel), xm, sum[2*i+panel])
				}
			}
			for panel := range widePanels {
				VMOVUPS(sum[2*i+panel], acc(i, panel))
			}
		}
		if minima {
			add(32*columns, o.wm)
		}
		for _, r := range o.xsbases {
			ADDQ(Imm(uint64(8*columns)), r)
		}
	}
	loop("block", o.n, 1, func() {
		if !super {
			sum := vectors(sums)
			products(sum, true)
			floats(sum, 1)
			add(32, o.ws)
			return
		}
		sum := vectors(sums)
		for _, s := range sum {
			zero(s)
		}
		MOVQ(U32(4), count)
		Label("columns")
		products(sum, false)
		DECQ(count)
		JNZ(LabelRef("columns"))
		floats(sum, 4)
		add(32, o.ws)
	})
	dst, ldd = Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	outputs(func(i, panel int) {
		a := YMM()
		VMOVUPS(acc(i, panel), a)
		VMOVUPS(a, at(dst, 32*panel))
	})
	VZEROUPPER()
	RET()
}

// wideI8 writes the widening of blocks of one panel of int8, [16, 8, 2] each, into every other vector of dst. What lies
// ahead bytes after them is fetched.
func wideI8() {
	TEXT("wideI8AVX2", NOSPLIT, "func(dst *int16, w *byte, ahead int, blocks int)")
	Pragma("noescape")
	dst, w, n := Load(Param("dst"), GP64()), Load(Param("w"), GP64()), Load(Param("blocks"), GP64())
	ahead := Load(Param("ahead"), GP64())
	loop("block", n, 1, func() {
		for pair := range 16 {
			a := YMM()
			if pair%4 == 0 {
				PREFETCHT0(Mem{Base: w, Index: ahead, Scale: 1, Disp: 16 * pair})
			}
			VPMOVSXBW(at(w, 16*pair), a)
			VMOVDQU(a, at(dst, 64*pair))
		}
		add(16*16, w)
		add(64*16, dst)
	})
	VZEROUPPER()
	RET()
}

// wideI4 is wideI8 for a panel of 4 bits, see gemmI4.
func wideI4() {
	TEXT("wideI4AVX2", NOSPLIT, "func(dst *int16, w *byte, ahead int, blocks int)")
	Pragma("noescape")
	dst, w, n := Load(Param("dst"), GP64()), Load(Param("w"), GP64()), Load(Param("blocks"), GP64())
	ahead := Load(Param("ahead"), GP64())
	loop("block", n, 1, func() {
		for j := range 8 {
			lower, upper := YMM(), YMM()
			if j%4 == 0 {
				PREFETCHT0(Mem{Base: w, Index: ahead, Scale: 1, Disp: 16 * j})
			}
			VPMOVZXBW(at(w, 16*j), lower)
			VPSRLW(Imm(4), lower, upper)
			VPAND(u32(0x000F000F), lower, lower)
			VMOVDQU(lower, at(dst, 64*j))
			VMOVDQU(upper, at(dst, 64*(j+8)))
		}
		add(16*8, w)
		add(64*16, dst)
	})
	VZEROUPPER()
	RET()
}

// wideSuper is wideI8 for a panel of a K format: weights are multiplied by the scales of their sub-blocks, sc.
func wideSuper(f superFormat) {
	TEXT("wide"+f.title[len("gemm"):]+"AVX2", NOSPLIT, "func(dst *int16, w *byte, sc *byte, ahead int, blocks int)")
	Pragma("noescape")
	dst, w, n := Load(Param("dst"), GP64()), Load(Param("w"), GP64()), Load(Param("blocks"), GP64())
	sc, ahead := Load(Param("sc"), GP64()), Load(Param("ahead"), GP64())
	loop("block", n, 1, func() {
		for off := 0; off < 32*f.bits; off += 64 {
			PREFETCHT0(Mem{Base: w, Index: ahead, Scale: 1, Disp: off})
		}
		for part := range 32 / f.sub {
			scale := YMM()
			scalePairs(f.scale(sc, 0, part), scale)
			f.pairs(w, 0, part, func(column int, weights VecVirtual) {
				VPMULLW(scale, weights, weights)
				VMOVDQU(weights, at(dst, 32*column))
			})
		}
		add(32*f.bits, w)
		add(8*32/f.sub, sc)
		add(64*16, dst)
	})
	VZEROUPPER()
	RET()
}
