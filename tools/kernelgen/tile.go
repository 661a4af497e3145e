package main

import (
	"encoding/binary"
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// tileRows is how many rows of activations and of weights a tile of products has.
const tileRows = 16

// tiled writes the integer products of many rows of activations on tile units: tiles of 16 rows and a panel, in which
// activations of 16 bits are two planes of bytes, the higher ones signed, the lower ones not. The sums of the planes make
// the integers of the other products, which are added up as theirs: they are the same floats, bit for bit.
//
// Each call configures the tiles and releases them, within assembly that does not grow the stack: between two calls a
// goroutine may go on on another thread, which has no tiles. At most five tiles hold something at a time: where another
// thread has half of the core, more of them are slow.
func tiled() {
	tileProducts("tileI8", false, false)
	tileProducts("tileI8m", false, true)
	tileProducts("tileK", true, false)
	tileProducts("tileKm", true, true)
	split("splitI8", 32)
	split("splitK", 64)
	tileWidenI8()
	tileWidenI5()
	tileWidenI4()
	for _, f := range []superFormat{q4k, q5k, q6k} {
		f.forward = 0 // another panel is fetched
		tileWidenSuper(f)
	}
	peakTiles()
}

// The tiles: sums, of the products of the planes, left and right factors.
const (
	tileHigh = iota
	tileMiddle
	tileLow
	tileRest
	tileX
	tileX1
	tileW
	tileW1
)

// tileConfig writes what LDTILECFG loads: rows and bytes of a row of each tile. Of two further tiles the first is a left
// factor of 32 columns, the second a right one.
func tileConfig(name string, columns int, further ...int) Mem {
	m := GLOBL(name, RODATA|NOPTR)
	var c [64]byte
	c[0] = 1 // the palette
	for t := range 8 {
		bytes, rows := 64, tileRows
		switch t {
		case tileX, tileX1:
			bytes = columns
		case tileW, tileW1:
			rows = columns / 4
		}
		switch slices.Index(further, t) {
		case 0:
			bytes = 32
		case 1:
			rows = 8
		}
		c[16+2*t], c[48+t] = byte(bytes), byte(rows)
	}
	for i := 0; i < len(c); i += 8 {
		DATA(i, U64(binary.LittleEndian.Uint64(c[i:])))
	}
	return m
}

// tileProducts writes the products of a tile of 16 rows of x with panels of 16 weight rows, one after the other. blocks
// are those that have a scale, of 32 columns, or of 128 for K formats. x is planes of bytes, for each block of 32 columns
// [2, 16, 32], for K formats for each 64 columns [2, 16, 64]. w is [8, 16, 4], four columns of each weight row, for K
// formats, whose weights were multiplied by the scales of their sub-blocks before, for each 64 columns planes [2, 16, 16, 4].
// xs is [16, 2] for each 32 columns. sums is memory for twice a tile of each sum. From fetch on, step bytes are fetched with
// each block.
//
// While the tile unit multiplies a block, the vector units add up the one before the last: what tiles store is not handed
// on to loads before it is in the cache.
func tileProducts(title string, super, minima bool) {
	columns, shift := 32, 0
	if super {
		columns, shift = 64, 1
	}
	config := tileConfig(title+"Config", columns)
	TEXT(title+"AMX", NOSPLIT, "func(dst *float32, ldd int, x *int16, xs *float32, w *int16, ws *float32, wm *float32, sums *int32, fetch *byte, step int, blocks int, panels int, add bool)")
	Pragma("noescape")
	dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	x, xs, sums := Load(Param("x"), GP64()), GP64(), Load(Param("sums"), GP64())
	w, ws, wm := Load(Param("w"), GP64()), Load(Param("ws"), GP64()), GP64()
	if minima {
		Load(Param("wm"), wm)
	}
	other := GP64()
	LEAQ(at(sums, 3*1024), other)
	panels := AllocLocal(8)
	MOVQ(Load(Param("panels"), GP64()), panels)
	left, next := AllocLocal(8), AllocLocal(8) // blocks to multiply, of all panels and until the end of this one
	fetch, step := Load(Param("fetch"), GP64()), Load(Param("step"), GP64())
	apart := GP64() // half of a row of a tile
	MOVQ(U32(32), apart)
	address := GP64()
	LEAQ(config, address)
	ldtilecfg.access(0, at(address, 0))

	acc := vectors(tileRows)
	rows := func(base Register, off, bytes int) Mem {
		return Mem{Base: base, Index: apart, Scale: uint8(bytes / 32), Disp: off}
	}
	// A sum is stored at off.
	type sum struct{ tile, off int }
	high, later := sum{tileHigh, 0}, []sum{{tileLow, 1024}}
	if super {
		later = []sum{{tileMiddle, 2048}, {tileLow, 1024}}
	}
	save := func(to Register, sums ...sum) {
		for _, s := range sums {
			tilestored.access(s.tile, rows(to, s.off, 64))
		}
	}
	// begin begins a sum. Before, if there is somewhere to, it stores that of the block before, which the tile unit has
	// had time for.
	begin := func(s sum, to Register) {
		if to != nil && s != high {
			save(to, s)
		}
		tilezero.register(s.tile, 0, 0)
	}
	// issue returns the parts of multiplying a block.
	issue := func(to Register) (parts []func()) {
		if !super {
			return append(parts, func() {
				tileloadd.access(tileW, rows(w, 0, 64))
				tileloadd.access(tileX, rows(x, 0, 32))
				begin(high, to)
				tdpbssd.register(tileHigh, tileX, tileW)
			}, func() {
				tileloadd.access(tileX1, rows(x, 512, 32))
				begin(later[0], to)
				tdpbusd.register(tileLow, tileX1, tileW)
			})
		}
		for half := range 2 {
			off := 2048 * half
			parts = append(parts, func() {
				tileloadd.access(tileX, rows(x, off, 64))
				tileloadd.access(tileW, rows(w, off, 64))
				if half == 0 {
					begin(high, to)
				}
				tdpbssd.register(tileHigh, tileX, tileW)
			}, func() {
				tileloadd.access(tileW1, rows(w, off+1024, 64))
				if half == 0 {
					begin(later[0], to)
				}
				tdpbsud.register(tileMiddle, tileX, tileW1)
			}, func() {
				tileloadd.access(tileX1, rows(x, off+1024, 64))
				if half == 0 {
					begin(later[1], to)
				}
				tdpbuud.register(tileLow, tileX1, tileW1)
			}, func() {
				tdpbusd.register(tileMiddle, tileX1, tileW)
			})
		}
		return parts
	}
	// drain adds the sums of a block to the outputs, between the parts of something else.
	drain := func(parts []func()) {
		all, scale := len(parts), v.register()
		VMOVUPS(at(ws, 0), scale)
		var minimum []VecVirtual
		if minima {
			minimum = vectors(1 + 3*shift)
			for j, m := range minimum {
				VMOVUPS(at(wm, 64*j), m)
			}
		}
		for r := range acc {
			if r < 4<<(2*shift) && r < 16 {
				PREFETCHT1(at(fetch, 64*r))
			}
			for len(parts) > 0 && r >= tileRows-len(parts)*tileRows/all {
				parts[0]()
				parts = parts[1:]
			}
			sum, s := v.register(), v.register()
			VPSLLD(Imm(8), at(sums, 64*r), sum)
			if super {
				VPADDD(at(sums, 2048+64*r), sum, sum)
				VPSLLD(Imm(8), sum, sum)
			}
			VPADDD(at(sums, 1024+64*r), sum, sum)
			VCVTDQ2PS(sum, sum)
			VMULPS_BCST(at(xs, 8*r), scale, s)
			VFMADD231PS(s, sum, acc[r])
			for j, m := range minimum {
				VFMADD231PS_BCST(at(xs, 128*j+8*r+4), m, acc[r])
			}
		}
		ADDQ(step, fetch)
		add(64, ws)
		if minima {
			add(64*len(minimum), wm)
		}
		add(128<<(2*shift), xs)
	}
	start := func() {
		for _, part := range issue(nil) {
			part()
		}
	}
	// advance goes on to the next block to multiply: after the last of a panel x begins anew.
	advance := func(label string) {
		ADDQ(U32(1024<<(2*shift)), x)
		ADDQ(U32(512<<(3*shift)), w)
		DECQ(left)
		DECQ(next)
		JNZ(LabelRef(label))
		Load(Param("x"), x)
		MOVQ(Load(Param("blocks"), GP64()), next)
		Label(label)
	}
	count, product := Load(Param("blocks"), GP64()), GP64()
	MOVQ(count, next)
	MOVQ(panels, product)
	IMULQ(count, product)
	MOVQ(product, left)
	start()
	save(sums, high)
	save(sums, later...)
	advance("second")
	CMPQ(left, Imm(0))
	JZ(LabelRef("tile"))
	start()
	save(other, high)
	advance("tile")
	more, n := Load(Param("add"), GP8()), GP64()
	TESTB(more, more)
	JZ(LabelRef("zero"))
	from := GP64()
	MOVQ(dst, from)
	for i, a := range acc {
		VMOVUPS(at(from, 0), a)
		if i < len(acc)-1 {
			ADDQ(ldd, from)
		}
	}
	JMP(LabelRef("start"))
	Label("zero")
	for _, a := range acc {
		zero(a)
	}
	Label("start")
	Load(Param("blocks"), n)
	Load(Param("xs"), xs)
	Label("block")
	CMPQ(left, Imm(0))
	JZ(LabelRef("rest"))
	drain(issue(other))
	save(sums, high)
	advance("advanced")
	JMP(LabelRef("drained"))
	Label("rest")
	save(other, later...)
	drain(nil)
	Label("drained")
	XCHGQ(sums, other)
	DECQ(n)
	JNZ(LabelRef("block"))
	MOVQ(dst, from)
	for i, a := range acc {
		VMOVUPS(a, at(from, 0))
		if i < len(acc)-1 {
			ADDQ(ldd, from)
		}
	}
	ADDQ(Imm(64), dst)
	DECQ(panels)
	JNZ(LabelRef("tile"))
	tilerelease.alone()
	VZEROUPPER()
	RET()
}

// split writes the taking apart of n times 64 integers of 16 bits into a row of planes of so many columns, [2, 16, columns].
func split(title string, columns int) {
	TEXT(title+"AMX", NOSPLIT, "func(dst *int16, q *int16, n int)")
	Pragma("noescape")
	dst, q, n := Load(Param("dst"), GP64()), Load(Param("q"), GP64()), Load(Param("n"), GP64())
	one := func(off int, dst Register, to int) {
		x, high := ZMM(), ZMM()
		VMOVDQU16(at(q, off), x)
		VPSRLW(Imm(8), x, high)
		VPMOVWB(high, at(dst, to))
		VPMOVWB(x, at(dst, to+tileRows*columns))
	}
	if columns == 32 {
		loop("block", n, 1, func() {
			one(0, dst, 0)
			ADDQ(Imm(64), q)
			ADDQ(U32(2*tileRows*32), dst)
		})
	} else {
		loop("block", n, 1, func() {
			one(0, dst, 0)
			one(64, dst, 32)
			ADDQ(U32(128), q)
			ADDQ(U32(2*tileRows*64), dst)
		})
	}
	VZEROUPPER()
	RET()
}

// bytesOfFour is the order of bytes that makes of two vectors of pairs of int16 the lower bytes of all four, or the higher.
func bytesOfFour(high int) VecVirtual {
	return order(name("bytesOfFour", high), func(n int) uint32 {
		first := uint32(4*n + high)
		return first | (first+2)<<8 | (first+64)<<16 | (first+66)<<24
	})
}

var orders = map[string]Mem{}

// order loads the vector of those words.
func order(name string, word func(n int) uint32) VecVirtual {
	m, ok := orders[name]
	if !ok {
		m = GLOBL(name, RODATA|NOPTR)
		for n := range 16 {
			DATA(4*n, U32(word(n)))
		}
		orders[name] = m
	}
	x := ZMM()
	VMOVDQU32(m, x)
	return x
}

// tileWidenI8 writes the copying of blocks of a panel of 8 bits, which lie in the order of tiles, [8, 16, 4]; the 128
// that was added is taken off. Nothing is fetched ahead: tileProducts has done it.
func tileWidenI8() {
	TEXT("tileWideI8AMX", NOSPLIT, "func(dst *int16, w *byte, blocks int)")
	Pragma("noescape")
	dst, w, n := Load(Param("dst"), GP64()), Load(Param("w"), GP64()), Load(Param("blocks"), GP64())
	loop("block", n, 1, func() {
		for i := range 8 {
			x := ZMM()
			VMOVDQU32(at(w, 64*i), x)
			VPXORD(u32(0x80808080), x, x)
			VMOVDQU32(x, at(dst, 64*i))
		}
		ADDQ(U32(512), w)
		ADDQ(U32(512), dst)
	})
	VZEROUPPER()
	RET()
}

// tileWidenI5 is tileWidenI8 for a panel of 5 bits without sign.
func tileWidenI5() {
	TEXT("tileWideI8mAMX", NOSPLIT, "func(dst *int16, w *byte, blocks int)")
	Pragma("noescape")
	dst, w, n := Load(Param("dst"), GP64()), Load(Param("w"), GP64()), Load(Param("blocks"), GP64())
	masks := newFiveMasks(true)
	loop("block", n, 1, func() {
		masks.fiveBits(w, 0, 0, 32, fetchNothing, func(column int, four VecVirtual) { VMOVDQU32(four, at(dst, 16*column)) })
		ADDQ(U32(320), w)
		ADDQ(U32(512), dst)
	})
	VZEROUPPER()
	RET()
}

// tileWidenI4 is tileWidenI8 for a panel of 4 bits.
func tileWidenI4() {
	TEXT("tileWideI4AMX", NOSPLIT, "func(dst *int16, w *byte, blocks int)")
	Pragma("noescape")
	dst, w, n := Load(Param("dst"), GP64()), Load(Param("w"), GP64()), Load(Param("blocks"), GP64())
	loop("block", n, 1, func() {
		for i := range 4 {
			lower, upper := ZMM(), ZMM()
			VMOVDQU32(at(w, 64*i), lower)
			VPSRLW(Imm(4), lower, upper)
			VPANDD(u32(0x0F0F0F0F), lower, lower)
			VPANDD(u32(0x0F0F0F0F), upper, upper)
			VMOVDQU32(lower, at(dst, 64*i))
			VMOVDQU32(upper, at(dst, 64*(i+4)))
		}
		ADDQ(U32(256), w)
		ADDQ(U32(512), dst)
	})
	VZEROUPPER()
	RET()
}

// tileWidenSuper is tileWidenI8 for a panel of a K format: weights are multiplied by the scales of their sub-blocks, sc,
// and become two planes. blocks are even.
func tileWidenSuper(f superFormat) {
	TEXT("tileWide"+f.title[len("gemm"):]+"AMX", NOSPLIT, "func(dst *int16, w *byte, sc *byte, blocks int)")
	Pragma("noescape")
	dst, w, n := Load(Param("dst"), GP64()), Load(Param("w"), GP64()), Load(Param("blocks"), GP64())
	sc := Load(Param("sc"), GP64())
	low, high := bytesOfFour(0), bytesOfFour(1)
	loop("blocks", n, 2, func() {
		for i := range 2 {
			before := map[int]VecVirtual{} // by column
			for part := range 32 / f.sub {
				scale := ZMM()
				scalePairs(f.scale(sc, i, part), scale)
				f.pairs(w, i, part, func(column int, weights VecVirtual) {
					VPMULLW(scale, weights, weights)
					if column%4 == 0 {
						before[column] = weights
						return
					}
					first, to := ZMM(), 64*(8*i+column/4)
					VMOVDQU32(before[column-2], first)
					VPERMT2B(weights, high, first)
					VMOVDQU32(first, at(dst, to))
					VPERMT2B(weights, low, before[column-2])
					VMOVDQU32(before[column-2], at(dst, to+1024))
				})
			}
		}
		add(2*f.width()*v.bytes, w)
		add(2*v.words()*32/f.sub, sc)
		ADDQ(U32(2048), dst)
	})
	VZEROUPPER()
	RET()
}

// peakTiles writes loops that keep the tile unit busy.
func peakTiles() {
	products := func(title string, columns int, one, other tileOp) {
		config := tileConfig(title+"Config", columns)
		data := GLOBL(title+"Data", RODATA|NOPTR)
		for i := range 128 { // as bytes 1 and 60, as BF16 a number near 2^-7; zeroes might be faster
			DATA(8*i, U64(0x3C013C013C013C01))
		}
		TEXT(title, NOSPLIT, "func(n int)")
		n, address, apart := Load(Param("n"), GP64()), GP64(), GP64()
		LEAQ(config, address)
		ldtilecfg.access(0, at(address, 0))
		LEAQ(data, address)
		MOVQ(U32(64), apart)
		for t := range 4 {
			tilezero.register(t, 0, 0)
		}
		tileloadd.access(tileX, Mem{Base: address, Index: apart, Scale: 1})
		tileloadd.access(tileW, Mem{Base: address, Index: apart, Scale: 1})
		Label("round")
		for range peakRound / 4 {
			one.register(0, tileX, tileW)
			other.register(1, tileX, tileW)
			one.register(2, tileX, tileW)
			other.register(3, tileX, tileW)
		}
		DECQ(n)
		JNZ(LabelRef("round"))
		tilerelease.alone()
		RET()
	}
	// As the products above use it: two planes, with a scale for each 32 columns.
	products("peakI8AMX", 32, tdpbssd, tdpbusd)
	products("peakTileI8AMX", 64, tdpbssd, tdpbssd)
	products("peakTileBF16AMX", 64, tdpbf16ps, tdpbf16ps)
}

// peakRound is how many instructions a round of peakTiles has.
const peakRound = 16
