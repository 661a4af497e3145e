package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// superblocks writes the products with weights of K formats, super-blocks of 256 columns with a scale d, sub-blocks of 32
// or 16 with a scale s of a byte. Activations have a scale for 128 columns, the sum of (s·q)·x over which is an integer
// that an int32 holds. An output is one float, to which each 128 columns in ascending order add d·scale·sum and then, if
// there are minima, for each 32 of them minimum·(sum of activations): the same for every tile.
func superblocks() {
	for m := 1; m <= v.packedRows; m++ {
		gemmSuper(m, q4k)
	}
	for m := 1; m <= v.packedRows; m++ {
		gemmSuper(m, q5k)
	}
	for m := 1; m <= v.packedRows; m++ {
		gemmSuper(m, q6k)
	}
}

// superFormat is a K format as it lies in panels.
type superFormat struct {
	title   string
	bits    int // of q: 4, or 5 and 6 in panels of 16 rows, which are 8 in those of 8
	sub     int // columns of a sub-block
	minima  bool
	forward int // how far ahead of the products weights are fetched
}

var (
	q4k = superFormat{"gemmK4", 4, 32, true, prefetchI4}
	q5k = superFormat{"gemmK5", 5, 32, true, prefetchI8}
	q6k = superFormat{"gemmK6", 6, 16, false, prefetchI8}
)

// width is how many bits q takes.
func (f superFormat) width() int {
	if f.bits > 4 && !v.wide() {
		return 8
	}
	return f.bits
}

// pairs calls one for each vector of pairs of int16 of a sub-block, a part of the n-th 32 columns from w on, with the
// column of the 32 that the pairs begin with.
func (f superFormat) pairs(w Register, n, part int, one func(column int, weights VecVirtual)) {
	fetch := func(off int) {
		if off%64 == 0 && f.forward > 0 {
			prefetch(w, off, f.forward)
		}
	}
	off := n * f.width() * v.bytes
	switch f.width() {
	case 4:
		fourBits(w, off, fetch, one)
	case 5:
		newFiveMasks(false).fiveBits(w, off, part*f.sub, (part+1)*f.sub, fetch, func(column int, four VecVirtual) {
			fours(four, column, 0, one)
		})
	case 6:
		newSixMasks(false).sixBits(w, off+3*v.bytes*part, fetch, func(column int, four VecVirtual) {
			fours(four, part*f.sub+column, 32, one)
		})
	default:
		eightBits(w, off, part*f.sub, (part+1)*f.sub, fetch, one)
	}
}

// fewRows is for how many rows of activations a tile has the sub-blocks of a sum in line.
const fewRows = 3

// gemmSuper writes the tile of m rows of int16 and a panel of a K format. w is as for gemmI8 or gemmI4; sc has a byte for
// each sub-block and row, ws a float for each 128 columns and row, wm one for each 32 columns and row.
func gemmSuper(m int, f superFormat) {
	TEXT(name(f.title, v.title, "x", m), NOSPLIT, "func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *byte, sc *byte, ws *float32, wm *float32, blocks int)")
	Pragma("noescape")
	// There are not registers for everything.
	count, sc := AllocLocal(8), AllocLocal(8)
	MOVQ(Load(Param("sc"), GP64()), sc)
	o := loadOperands(m, f.minima)
	acc, held := outputs{memory: AllocLocal(v.bytes * m)}, 1
	if 3*m+4 <= v.registers {
		acc, held = outputs{registers: vectors(m)}, 2
	}
	none := v.register()
	VXORPS(none, none, none)
	for i := range m {
		acc.set(i, none)
	}
	// To the allocator, clearing a register reads it: it is the same ones that are cleared each time.
	all, sum := vectors(m), newSums(m, held)
	loop("block", o.n, 1, func() {
		for _, s := range all {
			zero(s)
		}
		from := GP64()
		if m <= fewRows {
			MOVQ(sc, from)
			for i := range 4 {
				f.columns(&o, from, i, all, sum)
			}
			f.next(&o, sc, 4)
		} else {
			MOVQ(U32(4), count)
			Label("columns")
			MOVQ(sc, from)
			f.columns(&o, from, 0, all, sum)
			f.next(&o, sc, 1)
			DECQ(count)
			JNZ(LabelRef("columns"))
		}
		for i := range m {
			s, a := v.register(), acc.get(i)
			VBROADCASTSS(o.xs(i), s)
			VMULPS(at(o.ws, 0), s, s)
			VCVTDQ2PS(all[i], all[i])
			VFMADD231PS(s, all[i], a)
			for j := 0; j < 4 && f.minima; j++ {
				VBROADCASTSS(disp(o.xs(i), 8*j+4), s)
				VFMADD231PS(at(o.wm, v.bytes*j), s, a)
			}
			acc.set(i, a)
		}
		if f.minima {
			add(4*v.bytes, o.wm)
		}
		for _, r := range o.xsbases {
			ADDQ(Imm(32), r)
		}
		add(v.bytes, o.ws)
	})
	dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	for i := range m {
		VMOVUPS(acc.get(i), at(dst, 0))
		if i < m-1 {
			ADDQ(ldd, dst)
		}
	}
	VZEROUPPER()
	RET()
}

// outputs are those of a tile, a vector for each row, in registers or in memory.
type outputs struct {
	registers []VecVirtual
	memory    Mem
}

func (o *outputs) get(i int) VecVirtual {
	if o.registers != nil {
		return o.registers[i]
	}
	a := v.register()
	VMOVUPS(o.memory.Offset(v.bytes*i), a)
	return a
}

func (o *outputs) set(i int, a VecVirtual) {
	switch {
	case o.registers == nil:
		VMOVUPS(a, o.memory.Offset(v.bytes*i))
	case o.registers[i] != a:
		VMOVAPS(a, o.registers[i])
	}
}

// columns adds the products with the n-th 32 columns from here to all.
func (f superFormat) columns(o *operands, sc Register, n int, all []VecVirtual, sum sums) {
	for part := range 32 / f.sub {
		sum.clear()
		at := func(i, column int) Mem { return disp(o.x(i), 64*n+2*column) }
		k := 0
		f.pairs(o.w, n, part, func(column int, weights VecVirtual) {
			for i := range all {
				v.dot(at(i, column), weights, sum[i][k%len(sum[i])])
			}
			k++
		})
		scale := v.register()
		VPMOVSXBD(f.scale(sc, n, part), scale)
		for i, s := range all {
			one := sum.whole(i)
			VPMULLD(scale, one, one)
			VPADDD(one, s, s)
		}
	}
}

// scale is where the scales of a part of the n-th 32 columns from sc on lie.
func (f superFormat) scale(sc Register, n, part int) Mem {
	return at(sc, v.words()*(n*32/f.sub+part))
}

// next moves on by n times 32 columns.
func (f superFormat) next(o *operands, sc Mem, n int) {
	ADDQ(U32(uint32(n*f.width()*v.bytes)), o.w)
	ADDQ(U32(uint32(n*v.words()*32/f.sub)), sc)
	for _, r := range o.xbases {
		ADDQ(U32(uint32(64*n)), r)
	}
}

// scalePairs loads a byte for each lane of a vector into both halves of the word.
func scalePairs(from Mem, to VecVirtual) {
	VPMOVSXBD(from, to)
	VPSHUFB(pairOrder(), to, to)
}

var pairOrders = map[string]Mem{}

// pairOrder is the order of bytes that repeats the lower half of each word.
func pairOrder() Mem {
	m, ok := pairOrders[v.tier]
	if !ok {
		m = GLOBL("pairOrder"+v.tier, RODATA|NOPTR)
		for i := range v.words() {
			low := uint32(i % 4 * 4)
			DATA(4*i, U32(low|(low+1)<<8|low<<16|(low+1)<<24))
		}
		pairOrders[v.tier] = m
	}
	return m
}
