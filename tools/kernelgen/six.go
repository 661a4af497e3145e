package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// selected is VPTERNLOGD's function for the bits of the destination where those of the mask are 1, else those of the other.
const selected = 0xE4

// sixMasks are what takes integers of 6 bits apart: the bits of one, and which two and four of them come from elsewhere.
type sixMasks struct{ one, two, four Op }

func newSixMasks(inRegisters bool) sixMasks {
	m := sixMasks{v.register(), u32(0x03030303), u32(0x0F0F0F0F)}
	VMOVDQU32(u32(0x3F3F3F3F), m.one)
	if inRegisters {
		two, four := v.register(), v.register()
		VMOVDQU32(m.two, two)
		VMOVDQU32(m.four, four)
		m.two, m.four = two, four
	}
	return m
}

// sixBits calls one for each vector of four columns, of 16 columns by 16 rows at off from w on, with the first of the four.
// They are three vectors, whose bytes have a column in their lower six bits; the upper two of all three are the fourth.
func (m sixMasks) sixBits(w Register, off int, fetch func(off int), one func(column int, four VecVirtual)) {
	last := v.register()
	for i := range 3 {
		off := off + v.bytes*i
		fetch(off)
		four := v.register()
		move(at(w, off), four)
		if i == 0 {
			VPSRLW(Imm(6), four, last)
		} else {
			upper, mask := v.register(), m.two
			VPSRLW(Imm(uint64(6-2*i)), four, upper)
			if i == 2 {
				mask = m.four
			}
			VPTERNLOGD(Imm(selected), mask, upper, last)
		}
		VPANDD(m.one, four, four)
		one(4*i, four)
	}
	VPANDD(m.one, last, last)
	one(12, last)
}
