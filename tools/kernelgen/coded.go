package main

import (
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// coded writes the kernels of weights of BF16 in 12 bits, see coded in package kernel.
func coded() {
	for m := 1; m <= v.codedRows; m++ {
		codedTile(m)
	}
	widenCoded()
	codeBlock()
}

// codedNear is how many bytes ahead are brought from the second cache to the first.
const codedNear = 3 << 10

// codedShift is the logarithm of a vector's bytes: rows begin at vectors.
func codedShift() Constant { return Imm(uint64(bits.TrailingZeros(uint(v.bytes)))) }

// codedStart returns where a row is that goes on at vector cursor of w.
func codedStart(w Register, cursor Mem) GPVirtual {
	row := GP64()
	MOVL(cursor, row.As32())
	SHLQ(codedShift(), row)
	ADDQ(w, row)
	return row
}

// codedWeights are what the widening of blocks takes.
type codedWeights struct{ table, nibble, high VecVirtual }

func newCodedWeights(upper Register) codedWeights {
	c := codedWeights{v.register(), v.register(), v.register()}
	if v.wide() {
		VBROADCASTI32X4(at(upper, 0), c.table)
	} else {
		VBROADCASTI128(at(upper, 0), c.table)
	}
	move(u32(0x0F0F0F0F), c.nibble)
	move(u32(0xFFFF0000), c.high)
	return c
}

// block hands over the block at row, eight vectors of float32, and goes on. A vector of codes and two of lower bytes side by side
// are words of 16 bits, two of them in a lane: one is shifted into its place, of the other what is below is cut off. Where the first
// code is the last that there is, a vector of nothing else is followed by weights of 16 bits.
func (c *codedWeights) block(label string, row, ahead Register, use func(i int, w VecVirtual)) {
	plain, next := "plain"+label, "next"+label
	for line := 0; line < 3*v.bytes; line += 64 {
		PREFETCHT1(Mem{Base: row, Index: ahead, Scale: 1, Disp: line})
		PREFETCHT0(at(row, codedNear+line))
	}
	first := GP32()
	MOVBLZX(at(row, 0), first)
	ANDL(Imm(15), first)
	CMPL(first, Imm(15))
	JE(LabelRef(plain))
	codes := v.register()
	move(at(row, 0), codes)
	for half := range 2 {
		index := v.register()
		if half == 1 {
			VPSRLW(Imm(4), codes, codes)
		}
		and(c.nibble, codes, index)
		VPSHUFB(index, c.table, index)
		lower := v.register()
		move(at(row, (1+half)*v.bytes), lower)
		for unpack := range 2 {
			words, even := v.register(), v.register()
			if unpack == 0 {
				VPUNPCKLBW(index, lower, words)
			} else {
				VPUNPCKHBW(index, lower, words)
			}
			VPSLLD(Imm(16), words, even)
			and(c.high, words, words)
			use(4*half+2*unpack, even)
			use(4*half+2*unpack+1, words)
		}
	}
	add(3*v.bytes, row)
	JMP(LabelRef(next))
	Label(plain)
	for i := range 8 {
		w := v.register()
		weightBF16.load(at(row, v.bytes+i*v.bytes/2), nil, w)
		use(i, w)
	}
	add(5*v.bytes, row)
	Label(next)
}

// codedTile writes, or adds, the products of m rows of x with two rows of weights, with the sums of dotF32.
func codedTile(m int) {
	TEXT(name("dotCoded", v.title, "x", m), NOSPLIT,
		"func(dst *float32, ldd int, x *float32, ldx int, w *byte, start *uint32, stride int, upper *byte, blocks, ahead int, add bool)")
	Pragma("noescape")
	w, upper := Load(Param("w"), GP64()), Load(Param("upper"), GP64())
	start, stride := Load(Param("start"), GP64()), Load(Param("stride"), GP64())
	weights := newCodedWeights(upper)
	rows := []Register{codedStart(w, at(start, 0)), codedStart(w, Mem{Base: start, Index: stride, Scale: 4})}
	x, ldx := Load(Param("x"), GP64()), Load(Param("ldx"), GP64())
	blocks, ahead := Load(Param("blocks"), GP64()), Load(Param("ahead"), GP64())
	SHLQ(Imm(2), ldx)
	row, bases := rowsOf(x, ldx, m)
	acc := make([][]VecVirtual, m)
	for i := range acc {
		acc[i] = vectors(2)
		for _, a := range acc[i] {
			VXORPS(a, a, a)
		}
	}
	loop("block", blocks, 1, func() {
		for j := range 2 {
			weights.block(name(j), rows[j], ahead, func(part int, w VecVirtual) {
				for i := range m {
					VFMADD231PS(disp(row(i), part*v.bytes), w, acc[i][j])
				}
			})
		}
		for _, r := range bases {
			add(8*v.bytes, r)
		}
	})
	dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	sums := Load(Param("add"), GP8())
	for i := range m {
		for j := range 2 {
			sum, done := lanesSum(acc[i][j]), name("sum", i, "_", j)
			TESTB(sums, sums)
			JZ(LabelRef(done))
			VADDSS(at(dst, 4*j), sum, sum)
			Label(done)
			VMOVSS(sum, at(dst, 4*j))
		}
		if i < m-1 {
			ADDQ(ldd, dst)
		}
	}
	VZEROUPPER()
	RET()
}

// widenCoded writes the widening of blocks of some rows.
func widenCoded() {
	TEXT(name("widenCoded", v.tier), NOSPLIT, "func(dst *float32, ldd int, w *byte, cursors *uint32, rows int, upper *byte, blocks, ahead int)")
	Pragma("noescape")
	w, cursor, upper := Load(Param("w"), GP64()), Load(Param("cursors"), GP64()), Load(Param("upper"), GP64())
	weights := newCodedWeights(upper)
	dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	rows, ahead := Load(Param("rows"), GP64()), Load(Param("ahead"), GP64())
	SHLQ(Imm(2), ldd)
	loop("row", rows, 1, func() {
		row, out, blocks := codedStart(w, at(cursor, 0)), GP64(), Load(Param("blocks"), GP64())
		MOVQ(dst, out)
		loop("block", blocks, 1, func() {
			weights.block("", row, ahead, func(part int, w VecVirtual) { VMOVUPS(w, at(out, part*v.bytes)) })
			add(8*v.bytes, out)
		})
		SUBQ(w, row)
		SHRQ(codedShift(), row)
		MOVL(row.As32(), at(cursor, 0))
		ADDQ(Imm(4), cursor)
		ADDQ(ldd, dst)
	})
	VZEROUPPER()
	RET()
}

// codeBlock writes the making of a block of weights, and whether all have codes and the first not the last that there is; if not, what it
// wrote is of no use. Words of 16 bits are brought into the order of block, then their lower and upper bytes into vectors of their
// own. Upper bytes are compared with each that has a code.
func codeBlock() {
	order := GLOBL(name("wordOrder", v.tier), RODATA|NOPTR)
	for i := range v.bytes / 2 {
		if v.wide() {
			DATA(2*i, U16(uint16(i%2*16+i/2)))
		} else {
			for b := range 2 { // of the words of a quarter
				DATA(2*i+b, U8(uint8(i%2*8+i%8/2*2+b)))
			}
		}
	}
	TEXT(name("codeBlock", v.tier), NOSPLIT, "func(dst *byte, src *byte, upper *byte) bool")
	Pragma("noescape")
	dst, src, upper := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("upper"), GP64())
	index, low := v.register(), v.register()
	move(order, index)
	move(u32(0x00FF00FF), low)
	var bytes, codes [2]VecVirtual
	for half := range 2 {
		var lower, higher [2]VecVirtual
		for pair := range 2 {
			words := v.register()
			from := at(src, (2*half+pair)*v.bytes)
			if v.wide() {
				VPERMW(from, index, words)
			} else {
				VPERMQ(Imm(0xD8), from, words)
				VPSHUFB(index, words, words)
			}
			lower[pair], higher[pair] = v.register(), v.register()
			and(low, words, lower[pair])
			VPSRLW(Imm(8), words, higher[pair])
		}
		VPACKUSWB(lower[1], lower[0], lower[0])
		move(lower[0], at(dst, (1+half)*v.bytes))
		VPACKUSWB(higher[1], higher[0], higher[0])
		bytes[half], codes[half] = higher[0], v.register()
		zero(codes[half])
	}
	compareCodes(upper, bytes, codes)
	first := GP32()
	VMOVD(codes[0].AsX(), first)
	VPSLLW(Imm(4), codes[1], codes[1])
	if v.wide() {
		VPORD(codes[1], codes[0], codes[0])
	} else {
		VPOR(codes[1], codes[0], codes[0])
	}
	move(codes[0], at(dst, 0))
	ANDL(Imm(15), first)
	CMPL(first, Imm(15))
	JE(LabelRef("plain"))
	coded := GP8()
	MOVB(U8(1), coded)
	Store(coded, ReturnIndex(0))
	VZEROUPPER()
	RET()
	Label("plain")
	XORB(coded, coded)
	Store(coded, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// compareCodes makes codes of bytes and jumps to plain if one has none.
func compareCodes(upper Register, bytes, codes [2]VecVirtual) {
	code, one, b := v.register(), v.register(), v.register()
	zero(code)
	move(u32(0x01010101), one)
	if v.wide() {
		found := [2]OpmaskVirtual{K(), K()}
		for i := range 16 {
			VPBROADCASTB(at(upper, i), b)
			for half := range 2 {
				equal := K()
				VPCMPEQB(b, bytes[half], equal)
				VMOVDQU8(code, equal, codes[half])
				if i == 0 {
					KMOVQ(equal, found[half])
				} else {
					KORQ(equal, found[half], found[half])
				}
			}
			VPADDB(one, code, code)
		}
		KANDQ(found[0], found[1], found[0])
		KORTESTQ(found[0], found[0])
		JCC(LabelRef("plain"))
		return
	}
	found := vectors(2)
	for i := range 16 {
		VPBROADCASTB(at(upper, i), b)
		for half := range 2 {
			equal := v.register()
			VPCMPEQB(b, bytes[half], equal)
			if i == 0 {
				VMOVDQA(equal, found[half])
			} else {
				VPOR(equal, found[half], found[half])
			}
			VPAND(code, equal, equal)
			VPOR(equal, codes[half], codes[half])
		}
		VPADDB(one, code, code)
	}
	VPAND(found[0], found[1], found[0])
	mask := GP32()
	VPMOVMSKB(found[0], mask)
	CMPL(mask, I32(-1))
	JNE(LabelRef("plain"))
}
