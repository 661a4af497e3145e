package main

import (
	"encoding/binary"
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// multiplyAdd is vector.dot of all processors with AVX2 or AVX512BW.
func multiplyAdd(x Op, weights, sum VecVirtual) {
	t := v.register()
	if pair, ok := x.(Mem); ok {
		VPBROADCASTD(pair, t)
		VPMADDWD(weights, t, t)
	} else {
		VPMADDWD(weights, x, t)
	}
	VPADDD(t, sum, sum)
}

// evexDot is vector.dot with AVX512_VNNI.
func evexDot(x Op, weights, sum VecVirtual) {
	if _, ok := x.(Mem); ok {
		VPDPWSSD_BCST(x, weights, sum)
	} else {
		VPDPWSSD(x, weights, sum)
	}
}

// evexBytesDot is vector.bytesDot with AVX512_VNNI.
func evexBytesDot(x Op, weights, sum VecVirtual) {
	if _, ok := x.(Mem); ok {
		VPDPBUSD_BCST(x, weights, sum)
	} else {
		VPDPBUSD(x, weights, sum)
	}
}

// vexDot is vector.dot with AVX-VNNI.
func vexDot(x Op, weights, sum VecVirtual) { vex(vpdpwssd, x, weights, sum) }

// vexBytesDot is vector.bytesDot with AVX-VNNI.
func vexBytesDot(x Op, weights, sum VecVirtual) { vex(vpdpbusd, x, weights, sum) }

// Opcodes of AVX-VNNI.
const (
	vpdpbusd = 0x50
	vpdpwssd = 0x52
)

// vex writes an instruction of AVX-VNNI, whose encoding the Go assembler does not know.
func vex(opcode byte, x Op, weights, sum VecVirtual) {
	if word, ok := x.(Mem); ok {
		t := v.register()
		VPBROADCASTD(word, t)
		x = t
	}
	Comment(map[byte]string{vpdpbusd: "VPDPBUSD, VEX", vpdpwssd: "VPDPWSSD, VEX"}[opcode])
	i := &ir.Instruction{
		Opcode:  "LONG",
		Inputs:  []Op{x, weights, sum},
		Outputs: []Op{sum},
		ISA:     []string{"AVX_VNNI"},
	}
	i.Operands = []Op{encoded{U32(0), opcode, i, 0, 4}}
	Instruction(i)
	Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []Op{encoded{U8(0), opcode, i, 4, 5}}})
}

// encoded is a part of the bytes of an instruction of AVX-VNNI. They are known once its registers are.
type encoded struct {
	Constant // to avo, it is one
	opcode   byte
	of       *ir.Instruction
	from, to int
}

// Asm returns the bytes as an immediate operand.
func (e encoded) Asm() string {
	number := func(op Op) int { return int(op.(Physical).PhysicalIndex()) }
	code := vexCode(e.opcode, number(e.of.Inputs[0]), number(e.of.Inputs[1]), number(e.of.Inputs[2]))
	var word [4]byte
	copy(word[:], code[e.from:e.to])
	return fmt.Sprintf("$0x%0*x", 2*(e.to-e.from), binary.LittleEndian.Uint32(word[:]))
}

// vexCode returns the encoding VEX.256.66.0F38.W0 opcode /r of an instruction Yb, Ya, Yto (Intel's Software Developer's
// Manual, volume 2, section 2.3, VPDPBUSD and VPDPWSSD).
func vexCode(opcode byte, b, a, to int) [5]byte {
	if max(b, a, to) > 15 {
		panic("VEX knows 16 registers")
	}
	high := byte(0xE2) // map 0F38; R, X and B, the registers' fourth bits, are stored inverted
	high ^= byte(to>>3<<7 | b>>3<<5)
	middle := byte(^a&15<<3 | 1<<2 | 1) // W0, the register a inverted, 256 bits, prefix 66
	return [5]byte{0xC4, high, middle, opcode, byte(0xC0 | to&7<<3 | b&7)}
}
