package main

import (
	"encoding/binary"
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// The instructions of tile units (AMX), which neither the Go assembler nor avo know, are written as bytes (Intel's
// Software Developer's Manual, volume 2, section 2.3 and the instructions' pages). Tiles are numbers from 0 to 7.

// The prefix that an instruction's VEX encoding stands for.
const (
	prefixNone = iota
	prefix66
	prefixF3
	prefixF2
)

// tileOp is an instruction of tile units, with W0 and L0 in the map 0F38.
type tileOp struct {
	name   string
	opcode byte
	prefix byte
}

var (
	ldtilecfg   = tileOp{"ldtilecfg", 0x49, prefixNone}
	tilerelease = tileOp{"tilerelease", 0x49, prefixNone}
	tilezero    = tileOp{"tilezero", 0x49, prefixF2}
	tileloadd   = tileOp{"tileloadd", 0x4B, prefixF2}
	tilestored  = tileOp{"tilestored", 0x4B, prefixF3}
	// Products of bytes: the first letter after the B is for the left side, S signed or U unsigned.
	tdpbssd   = tileOp{"tdpbssd", 0x5E, prefixF2}
	tdpbsud   = tileOp{"tdpbsud", 0x5E, prefixF3}
	tdpbusd   = tileOp{"tdpbusd", 0x5E, prefix66}
	tdpbuud   = tileOp{"tdpbuud", 0x5E, prefixNone}
	tdpbf16ps = tileOp{"tdpbf16ps", 0x5C, prefixF3}
)

// vex returns the first four bytes. R, X and B, the fourth bits of the registers' numbers, and v are stored inverted.
func (o tileOp) vex(index, base, v int) []byte {
	second := byte(0xE2) ^ byte(index>>3<<6|base>>3<<5)
	return []byte{0xC4, second, byte(^v&15<<3) | o.prefix, o.opcode}
}

// tiles returns the code of an instruction whose operands are tiles: the left and the right factor are added to sum.
func (o tileOp) tiles(sum, left, right int) []byte {
	return append(o.vex(0, 0, right), byte(0xC0|sum<<3|left))
}

// memory returns the code of an instruction with memory at base + index + disp, as register numbers; index is -1 for none.
// scale is 1, 2, 4 or 8.
func (o tileOp) memory(tile, base, index, scale, disp int) []byte {
	bits := 4 // none
	if index >= 0 {
		bits = index
	}
	for i, s := range []int{1, 2, 4, 8} {
		if s == scale {
			sib := byte(i<<6 | bits&7<<3 | base&7)
			return binary.LittleEndian.AppendUint32(append(o.vex(bits, base, 0), byte(0x80|tile<<3|4), sib), uint32(int32(disp)))
		}
	}
	panic("no such scale")
}

// register writes an instruction whose operands are tiles.
func (o tileOp) register(sum, left, right int) {
	code := o.tiles(sum, left, right)
	Comment(o.name, fmt.Sprintf("tmm%d, tmm%d, tmm%d", sum, left, right))
	emit(len(code), nil, func([]Op) []byte { return code })
}

// alone writes an instruction without operands.
func (o tileOp) alone() {
	Comment(o.name)
	emit(5, nil, func([]Op) []byte { return o.tiles(0, 0, 0) })
}

// access writes an instruction with memory, whose index register holds the distance of rows.
func (o tileOp) access(tile int, m Mem) {
	Comment(o.name, fmt.Sprintf("tmm%d, +%d", tile, m.Disp))
	emit(10, []Op{m}, func(in []Op) []byte {
		m := in[0].(Mem)
		index, scale := -1, 1
		if m.Index != nil {
			index, scale = number(m.Index), int(m.Scale)
		}
		return o.memory(tile, number(m.Base), index, scale, m.Disp)
	})
}

func number(op Op) int { return int(op.(Physical).PhysicalIndex()) }

// emit writes an instruction of n bytes, at least four, which are known once the registers of the operands are.
func emit(n int, inputs []Op, code func(inputs []Op) []byte) {
	first := &ir.Instruction{Opcode: "LONG", Inputs: inputs}
	sizes := map[int]string{1: "BYTE", 2: "WORD", 4: "LONG"}
	for from := 0; from < n; {
		size := 4
		for from+size > n {
			size /= 2
		}
		begin, end := from, from+size
		part := tilePart{U32(0), func() []byte { return code(first.Inputs)[begin:end] }}
		if from == 0 {
			first.Operands = []Op{part}
			Instruction(first)
		} else {
			Instruction(&ir.Instruction{Opcode: sizes[size], Operands: []Op{part}})
		}
		from = end
	}
}

// tilePart is some bytes of an instruction.
type tilePart struct {
	Constant // to avo, it is one
	bytes    func() []byte
}

// Asm returns the bytes as an immediate operand.
func (p tilePart) Asm() string {
	code := p.bytes()
	var word [4]byte
	copy(word[:], code)
	return fmt.Sprintf("$0x%0*x", 2*len(code), binary.LittleEndian.Uint32(word[:]))
}
