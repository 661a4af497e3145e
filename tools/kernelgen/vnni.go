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

// vexDot is vector.dot with AVX-VNNI, whose encoding the Go assembler does not know.
func vexDot(x Op, weights, sum VecVirtual) {
	if pair, ok := x.(Mem); ok {
		t := v.register()
		VPBROADCASTD(pair, t)
		x = t
	}
	Comment("VPDPWSSD, VEX")
	i := &ir.Instruction{
		Opcode:  "LONG",
		Inputs:  []Op{x, weights, sum},
		Outputs: []Op{sum},
		ISA:     []string{"AVX_VNNI"},
	}
	i.Operands = []Op{encoded{U32(0), i, 0, 4}}
	Instruction(i)
	Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []Op{encoded{U8(0), i, 4, 5}}})
}

// encoded is a part of the bytes of a VPDPWSSD. They are known once its registers are.
type encoded struct {
	Constant // to avo, it is one
	of       *ir.Instruction
	from, to int
}

// Asm returns the bytes as an immediate operand.
func (e encoded) Asm() string {
	number := func(op Op) int { return int(op.(Physical).PhysicalIndex()) }
	code := vexVPDPWSSD(number(e.of.Inputs[0]), number(e.of.Inputs[1]), number(e.of.Inputs[2]))
	var word [4]byte
	copy(word[:], code[e.from:e.to])
	return fmt.Sprintf("$0x%0*x", 2*(e.to-e.from), binary.LittleEndian.Uint32(word[:]))
}

// vexVPDPWSSD returns the encoding VEX.256.66.0F38.W0 52 /r of VPDPWSSD Yb, Ya, Yto (Intel's Software Developer's
// Manual, volume 2, section 2.3 and VPDPWSSD).
func vexVPDPWSSD(b, a, to int) [5]byte {
	if max(b, a, to) > 15 {
		panic("VEX knows 16 registers")
	}
	high := byte(0xE2) // map 0F38; R, X and B, the registers' fourth bits, are stored inverted
	high ^= byte(to>>3<<7 | b>>3<<5)
	middle := byte(^a&15<<3 | 1<<2 | 1) // W0, the register a inverted, 256 bits, prefix 66
	return [5]byte{0xC4, high, middle, 0x52, byte(0xC0 | to&7<<3 | b&7)}
}
