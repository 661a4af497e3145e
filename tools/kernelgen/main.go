// Command kernelgen writes the assembly of package kernel: go generate ./kernel.
//
// Each kernel is a function of this program, a file holds those of one subject. What the kernels compute is told by
// their generic twins in package kernel, against which they are tested.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	dotF32()
	gemmF32()
	scan()
	conv()
	elementwise()
	norm()
	quantized()
	limits()
	dequantize()
	Generate()
}

// constants are vectors of eight equal words, by their bits.
var constants = map[uint32]Mem{}

// f32x8 returns the vector of eight times those bits.
func f32x8(bits uint32) Mem {
	m, ok := constants[bits]
	if !ok {
		m = GLOBL(fmt.Sprintf("c%08x", bits), RODATA|NOPTR)
		for i := range 8 {
			DATA(4*i, U32(bits))
		}
		constants[bits] = m
	}
	return m
}

// loop repeats body while n, counted down by step, is at least step. It leaves the rest in n.
func loop(label string, n Register, step int, body func()) {
	Label(label)
	CMPQ(n, Imm(uint64(step)))
	JLT(LabelRef(label + "_end"))
	body()
	SUBQ(Imm(uint64(step)), n)
	JMP(LabelRef(label))
	Label(label + "_end")
}

// at returns the operand off bytes after base.
func at(base Register, off int) Mem { return Mem{Base: base, Disp: off} }

// vectors returns n registers.
func vectors(n int) []VecVirtual {
	v := make([]VecVirtual, n)
	for i := range v {
		v[i] = YMM()
	}
	return v
}

func name(parts ...any) string { return fmt.Sprint(parts...) }
