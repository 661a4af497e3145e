package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	// wideRows is how many rows a wide tile has, or one less.
	wideRows  = 6
	wideFetch = 256 // bytes that it fetches with 32 columns at most
)

// wide writes the integer products of many rows of activations: tiles of six rows, or five, and as many panels as registers hold
// the sums of, whose weights were widened to 16 bits before. A number of x serves all panels, and no weight is widened for one tile
// alone. Outputs are kept in memory. They are the floats of the other tiles, bit for bit.
func wide() {
	for rows := wideRows - 1; rows <= wideRows; rows++ {
		wideTile(name("gemmWide", v.title, "x", rows), rows, false, false)
		wideTile(name("gemmWideM", v.title, "x", rows), rows, false, true)
		wideTile(name("gemmWideK", v.title, "x", rows), rows, true, false)
		wideTile(name("gemmWideKM", v.title, "x", rows), rows, true, true)
	}
}

// widening writes what brings weights into the order of wide tiles.
func widening() {
	wideI8(name("wideI8", v.tier), false)
	if v.wide() {
		wideI8(name("wideI8m", v.tier), true)
	}
	wideI4()
	for _, f := range []superFormat{q4k, q5k, q6k} {
		f.forward = 0 // tiles have fetched it
		wideSuper(f)
	}
}

// wideTile writes the tile for weights with a scale for each block of 32, or for those of K formats, which were multiplied
// by the scales of their sub-blocks before, see gemmSuper. w is int16 [k/2, panels, 8 or 16, 2], pairs of columns of each row
// of all panels. The scales and minima of a panel lie second bytes after those of the one before. blocks are those that have a
// scale, of 32 or 128 columns. With each 32 columns step bytes from fetch on are brought into the second cache, at most wideFetch.
// work is memory for the outputs and 64 bytes more.
func wideTile(title string, rows int, super, minima bool) {
	TEXT(title, NOSPLIT, "func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *int16, ws *float32, wm *float32, second int, "+
		"fetch *byte, step int, blocks int, add bool, work *float32)")
	Pragma("noescape")
	panels := v.widePanels
	sums := rows * panels
	var count Mem
	if super {
		count = AllocLocal(8)
	}
	local := Load(Param("work"), GP64()) // the outputs, at a multiple of 64 bytes
	ADDQ(Imm(63), local)
	ANDQ(I8(-64), local)
	acc := func(i, panel int) Mem { return at(local, v.bytes*(panels*i+panel)) }
	dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	// The outputs of the next tile, which lie below, may be in no cache.
	next := GP64()
	IMUL3Q(Imm(uint64(rows)), ldd, next)
	ADDQ(dst, next)
	for range rows {
		for line := 0; line < v.bytes*panels; line += 64 {
			PREFETCHT0(at(next, line))
		}
		ADDQ(ldd, next)
	}
	outputs := func(one func(i, panel int)) {
		for i := range rows {
			for panel := range panels {
				one(i, panel)
			}
			if i < rows-1 {
				ADDQ(ldd, dst)
			}
		}
	}
	more := Load(Param("add"), GP8())
	TESTB(more, more)
	JZ(LabelRef("zero"))
	outputs(func(i, panel int) {
		a := v.register()
		VMOVUPS(at(dst, v.bytes*panel), a)
		VMOVUPS(a, acc(i, panel))
	})
	JMP(LabelRef("start"))
	Label("zero")
	none := v.register()
	VXORPS(none, none, none)
	for i := range rows {
		for panel := range panels {
			VMOVUPS(none, acc(i, panel))
		}
	}
	Label("start")
	o := loadOperands(rows, minima)
	second := Load(Param("second"), GP64())
	third := second
	if panels > 3 {
		third = GP64()
		LEAQ(Mem{Base: second, Index: second, Scale: 2}, third)
	}
	scales := func(base Register, off, panel int) Mem {
		switch panel {
		case 0:
			return at(base, off)
		case 3:
			return Mem{Base: base, Index: third, Scale: 1, Disp: off}
		}
		return Mem{Base: base, Index: second, Scale: uint8(panel), Disp: off}
	}
	fetch := Load(Param("fetch"), GP64())
	// products adds those with 32 columns.
	products := func(sum []VecVirtual, first bool) {
		w := vectors(panels)
		for pair := range 16 {
			if line := pair / 4 * 64; pair%4 == 0 && line < wideFetch {
				PREFETCHT1(at(fetch, line))
			}
			for panel := range w {
				move(at(o.w, v.bytes*(panels*pair+panel)), w[panel])
			}
			for i := range rows {
				x := v.register()
				VPBROADCASTD(disp(o.x(i), 4*pair), x)
				for panel := range w {
					if s := sum[panels*i+panel]; first && pair == 0 && !v.fused {
						VPMADDWD(w[panel], x, s)
					} else {
						v.dot(x, w[panel], s)
					}
				}
			}
		}
		add(16*v.bytes*panels, o.w)
		ADDQ(scalar("step"), fetch)
		for _, r := range o.xbases {
			ADDQ(Imm(64), r)
		}
	}
	// floats adds the sums to the outputs, and the minima of so many times 32 columns.
	floats := func(sum []VecVirtual, columns int) {
		for i := range rows {
			xs, s := v.register(), v.register()
			VBROADCASTSS(o.xs(i), xs)
			for panel := range panels {
				a := sum[panels*i+panel]
				VCVTDQ2PS(a, a)
				VMULPS(scales(o.ws, 0, panel), xs, s)
				VFMADD213PS(acc(i, panel), s, a)
			}
			for j := 0; j < columns && minima; j++ {
				xm := v.register()
				VBROADCASTSS(disp(o.xs(i), 8*j+4), xm)
				for panel := range panels {
					VFMADD231PS(scales(o.wm, v.bytes*j, panel), xm, sum[panels*i+panel])
				}
			}
			for panel := range panels {
				VMOVUPS(sum[panels*i+panel], acc(i, panel))
			}
		}
		if minima {
			add(v.bytes*columns, o.wm)
		}
		for _, r := range o.xsbases {
			ADDQ(Imm(uint64(8*columns)), r)
		}
	}
	loop("block", o.n, 1, func() {
		if !super {
			sum := vectors(sums)
			for _, x := range sum {
				if v.fused {
					zero(x)
				}
			}
			products(sum, true)
			floats(sum, 1)
			add(v.bytes, o.ws)
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
		add(v.bytes, o.ws)
	})
	dst, ldd = Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	outputs(func(i, panel int) {
		a := v.register()
		VMOVUPS(acc(i, panel), a)
		VMOVUPS(a, at(dst, v.bytes*panel))
	})
	VZEROUPPER()
	RET()
}

// wideI8 writes the widening of blocks of one panel of 8 bits, see blockBits, into every second or fourth vector of dst, as
// many as tiles have panels. Nothing is fetched ahead: tiles have done it.
func wideI8(title string, minima bool) {
	TEXT(title, NOSPLIT, "func(dst *int16, w *byte, blocks int)")
	Pragma("noescape")
	dst, w, n := Load(Param("dst"), GP64()), Load(Param("w"), GP64()), Load(Param("blocks"), GP64())
	bits, stride := blockBits(minima), v.bytes*v.widePanels
	loop("block", n, 1, func() {
		panelBits(w, bits, fetchNothing, func(column int, weights VecVirtual) {
			move(weights, at(dst, stride/2*column))
		})
		add(v.bytes*bits, w)
		add(stride*16, dst)
	})
	VZEROUPPER()
	RET()
}

// fetchNothing is for weights that are in the caches.
func fetchNothing(int) {}

// wideI4 is wideI8 for a panel of 4 bits.
func wideI4() {
	TEXT("wideI4"+v.tier, NOSPLIT, "func(dst *int16, w *byte, blocks int)")
	Pragma("noescape")
	dst, w, n := Load(Param("dst"), GP64()), Load(Param("w"), GP64()), Load(Param("blocks"), GP64())
	stride := v.bytes * v.widePanels
	loop("block", n, 1, func() {
		fourBits(w, 0, fetchNothing, func(column int, weights VecVirtual) {
			move(weights, at(dst, stride/2*column))
		})
		add(v.bytes/2*8, w)
		add(stride*16, dst)
	})
	VZEROUPPER()
	RET()
}

// wideSuper is wideI8 for a panel of a K format: weights are multiplied by the scales of their sub-blocks, sc.
func wideSuper(f superFormat) {
	TEXT("wide"+f.title[len("gemm"):]+v.tier, NOSPLIT, "func(dst *int16, w *byte, sc *byte, blocks int)")
	Pragma("noescape")
	dst, w, n := Load(Param("dst"), GP64()), Load(Param("w"), GP64()), Load(Param("blocks"), GP64())
	sc := Load(Param("sc"), GP64())
	stride := v.bytes * v.widePanels
	loop("block", n, 1, func() {
		for part := range 32 / f.sub {
			scale := v.register()
			scalePairs(f.scale(sc, 0, part), scale)
			f.pairs(w, 0, part, func(column int, weights VecVirtual) {
				VPMULLW(scale, weights, weights)
				move(weights, at(dst, stride/2*column))
			})
		}
		add(v.bytes*f.width(), w)
		add(v.words()*32/f.sub, sc)
		add(stride*16, dst)
	})
	VZEROUPPER()
	RET()
}
