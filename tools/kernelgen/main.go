// Command kernelgen writes the assembly of package kernel: go generate ./internal/kernel.
//
//	kernelgen avx2|avxvnni|avx512|amx|training|neon -pkg kernel -out FILE.s -stubs FILE.go
//
// Each kernel is a function of this program, a file holds those of one subject. What the kernels compute is told by
// their generic twins in package kernel, against which they are tested. The same functions write kernels for vectors of
// 256 and of 512 bits. avo knows x86 alone: the kernels of arm64 (neon*.go) are written with package arm64.
package main

import (
	"fmt"
	"os"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "kernelgen: which kernels, avx2, avxvnni, avx512, amx, training or neon?")
		os.Exit(2)
	}
	set := os.Args[1]
	os.Args = append(os.Args[:1], os.Args[2:]...) // avo reads the rest
	switch set {
	case "avx2":
		v = ymm
		floats()
		quantized()
		channels()
		roundRow(false)
		roundRow(true)
		wide()
		widening()
		roundActivations()
		roundSuper()
		scalesF16()
		narrowF16()
		narrowQ8()
		scalesK()
		limits()
		dequantize()
		fitting()
		attention()
	case "avxvnni":
		v = ymm
		v.title, v.dot, v.bytesDot, v.chains, v.fused = "V", vexDot, vexBytesDot, 8, true
		quantized()
		channels()
		wide()
		peakI8("peakI8AVXVNNI")
	case "avx512":
		v = zmm
		floats()
		quantized()
		channels()
		roundRow(false)
		roundRow(true)
		wide()
		widening()
		roundWide()
		scalesF16()
		scalesK()
		many()
		limits()
		attention()
		v.title, v.dot, v.bytesDot, v.chains, v.fused = "ZV", evexDot, evexBytesDot, 8, true
		digits()
		channels()
		wide()
		peakI8("peakI8AVX512VNNI")
	case "amx":
		v = zmm
		tiled()
		tiledChannels()
		tiledBF16()
	case "training":
		v = ymm
		training()
	case "neon":
		generateNEON()
		return
	default:
		fmt.Fprintf(os.Stderr, "kernelgen: there are no kernels %q\n", set)
		os.Exit(2)
	}
	Generate()
}

func floats() {
	dotF32()
	coded()
	gemmF32()
	scan()
	stream()
	conv()
	elementwise()
	norm()
}

// vector is what kernels are written for.
type vector struct {
	bytes       int
	registers   int
	tier, title string // in names: of kernels with one form a tier, and of tiles
	register    func() VecVirtual
	// dot adds to sum the products of pairs of int16 of weights with those of x, or with the one pair at x in memory.
	dot func(x Op, weights, sum VecVirtual)
	// bytesDot adds to sum the products of four signed bytes of x, or of those at x in memory, with bytes of weights that have
	// no sign; nil: there is no such instruction.
	bytesDot func(x Op, weights, sum VecVirtual)
	// chains is how many sums dot needs at least to keep the processor busy.
	chains int
	fused  bool // dot is one instruction
	// The largest tiles that the registers hold, in rows of x by rows (dot) or vectors (gemm) of w.
	dotRows, dotColumns int
	dotOne              int // rows of w for one row of x
	codedRows           int // of x by two of w
	gemmRows            int
	packedRows          int
	widePanels          int
	channelRows         int // of products of bytes
	// The tiles of products of many rows, in rows of x by vectors of w.
	manyRows, manyVectors int
}

var (
	ymm = vector{
		bytes: 32, registers: 16, tier: "AVX2", register: YMM, dot: multiplyAdd, chains: 1,
		dotRows: 4, dotColumns: 3, dotOne: 6, codedRows: 4, gemmRows: 6, packedRows: 6, widePanels: 2, channelRows: 6, manyRows: 6, manyVectors: 2,
	}
	zmm = vector{
		bytes: 64, registers: 32, tier: "AVX512", title: "Z", register: ZMM, dot: multiplyAdd, chains: 1,
		dotRows: 6, dotColumns: 4, dotOne: 8, codedRows: 8, gemmRows: 8, packedRows: 8, widePanels: 4, channelRows: 12, manyRows: 8, manyVectors: 3,
	}
)

// v is the vector that kernels are being written for.
var v vector

// words is the number of floats in a vector.
func (v vector) words() int { return v.bytes / 4 }

// wide reports whether vectors have 512 bits.
func (v vector) wide() bool { return v.bytes == 64 }

// constants are vectors of equal words, by their bits.
var constants = map[uint32]Mem{}

// u32 returns the vector of those bits in every word.
func u32(bits uint32) Mem {
	m, ok := constants[bits]
	if !ok {
		m = GLOBL(fmt.Sprintf("c%08x", bits), RODATA|NOPTR)
		for i := range v.words() {
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

// rest returns the mask of the first n lanes of a vector, n less than their number.
func rest(n Register) OpmaskVirtual {
	bits, mask := GP64(), K()
	MOVQ(I32(-1), bits)
	BZHIQ(n, bits, bits)
	KMOVW(bits.As32(), mask)
	return mask
}

// whole runs body for each vector of n words and, if vectors are wide, once for the rest with a mask of what is there.
// Other kernels leave the rest to their callers.
func whole(n Register, body func(mask OpmaskVirtual)) {
	loop(name("k", v.words()), n, v.words(), func() { body(nil) })
	if !v.wide() {
		return
	}
	TESTQ(n, n)
	JZ(LabelRef("done"))
	body(rest(n))
	Label("done")
}

// load loads a vector of floats, or with a mask a part of it and zeroes.
func load(from Mem, mask OpmaskVirtual, to VecVirtual) {
	if mask == nil {
		VMOVUPS(from, to)
	} else {
		VMOVUPS_Z(from, mask, to)
	}
}

// store stores a vector of floats, or with a mask a part of it.
func store(from VecVirtual, mask OpmaskVirtual, to Mem) {
	if mask == nil {
		VMOVUPS(from, to)
	} else {
		VMOVUPS(from, mask, to)
	}
}

// add adds n bytes to r.
func add(n int, r Register) {
	if n < 128 {
		ADDQ(Imm(uint64(n)), r)
	} else {
		ADDQ(U32(uint32(n)), r)
	}
}

// zero clears an integer vector.
func zero(x VecVirtual) {
	if v.wide() {
		VPXORD(x, x, x)
	} else {
		VPXOR(x, x, x)
	}
}

// move copies an integer vector from or to memory.
func move(from, to Op) {
	if v.wide() {
		VMOVDQU32(from, to)
	} else {
		VMOVDQU(from, to)
	}
}

// and is VPAND of any width.
func and(a Op, b, to VecVirtual) {
	if v.wide() {
		VPANDD(a, b, to)
	} else {
		VPAND(a, b, to)
	}
}

// How numbers compare, without complaint about NaN.
const (
	less    = 17
	greater = 30
)

// at returns the operand off bytes after base.
func at(base Register, off int) Mem { return Mem{Base: base, Disp: off} }

// scalar returns the parameter of that name where it lies.
func scalar(title string) Mem {
	addr, err := Param(title).Resolve()
	if err != nil {
		panic(err)
	}
	return addr.Addr
}

// vectors returns n registers.
func vectors(n int) []VecVirtual {
	r := make([]VecVirtual, n)
	for i := range r {
		r[i] = v.register()
	}
	return r
}

func name(parts ...any) string { return fmt.Sprint(parts...) }
