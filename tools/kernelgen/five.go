package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// fiveMasks are what takes integers of 5 bits apart: the bits of one, its lower three, and the fourth.
type fiveMasks struct{ one, three, fourth Op }

func newFiveMasks(inRegisters bool) fiveMasks {
	m := fiveMasks{v.register(), u32(0x07070707), u32(0x08080808)}
	VMOVDQU32(u32(0x1F1F1F1F), m.one)
	if inRegisters {
		three, fourth := v.register(), v.register()
		VMOVDQU32(m.three, three)
		VMOVDQU32(m.fourth, fourth)
		m.three, m.fourth = three, fourth
	}
	return m
}

// fiveBits calls one for each vector of four columns, from first to last of 32, of those by 16 rows at off from w on. They are
// five vectors, whose bytes have a column in their lower five bits. Their upper three are the lower three bits of the sixth,
// seventh and eighth four columns, then two and one of the upper bits of these: see int5Fours in package kernel.
func (m fiveMasks) fiveBits(w Register, off, first, last int, fetch func(off int), one func(column int, four VecVirtual)) {
	shifted := func(vector, by int) VecVirtual {
		x := v.register()
		VPSRLW(Imm(uint64(by)), at(w, off+v.bytes*vector), x)
		return x
	}
	for column := first; column < last; column += 4 {
		i := column / 4
		if i < 5 {
			off, four := off+v.bytes*i, v.register()
			fetch(off)
			VPANDD(at(w, off), m.one, four)
			one(column, four)
			continue
		}
		var upper VecVirtual
		if i < 7 {
			upper = shifted(i-2, 2)
		} else {
			upper = shifted(3, 4)
			VPTERNLOGD(Imm(selected), m.fourth, shifted(4, 3), upper)
		}
		four := shifted(i-5, 5)
		VPTERNLOGD(Imm(selected), m.three, upper, four)
		VPANDD(m.one, four, four)
		one(column, four)
	}
}
