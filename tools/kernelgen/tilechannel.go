package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// tiledChannels writes the products of weights with one scale for a row on tile units, see channelUnits in package kernel.
func tiledChannels() {
	tileChannel()
	splitDigits()
}

// tileChannel writes the products of a tile of 16 rows of x with panels of 16 weight rows, ldw bytes apart. blocks are of 32
// columns. x is the digits of 64 columns at a time, [2, 16, 64] bytes, and [2, 16, 32] of the last 32 where there are not 64.
// sums is for each panel [2, 16, 16]: sums of columns before, unless these are the first, and then those with these. With the
// last columns they become floats: xs is [16, 2], the scale and the sum of a row, ws [panels, 16]. With each 64 columns step
// bytes from fetch on are fetched.
//
// The vector units make floats of a panel's sums while the tile unit multiplies the next panel.
func tileChannel() {
	const halfX, halfW = tileRest, tileW1 // of 32 columns
	config := tileConfig("tileC8Config", 64, halfX, halfW)
	TEXT("tileC8AMX", NOSPLIT, "func(dst *float32, ldd int, x *int16, xs *float32, w *byte, ldw int, ws *float32, sums *int32, fetch *byte, step int, blocks int, panels int, first bool, last bool)")
	Pragma("noescape")
	dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	panel, sums := Load(Param("w"), GP64()), Load(Param("sums"), GP64())
	fetch, step := Load(Param("fetch"), GP64()), Load(Param("step"), GP64())
	o := channelOperands{ws: Load(Param("ws"), GP64())}
	left := AllocLocal(8)
	MOVQ(Load(Param("panels"), GP64()), left)
	apart, address := GP64(), GP64() // half of a row of a tile
	MOVQ(U32(32), apart)
	LEAQ(config, address)
	ldtilecfg.access(0, at(address, 0))
	rows := func(base Register, off, bytes int) Mem {
		return Mem{Base: base, Index: apart, Scale: uint8(bytes / 32), Disp: off}
	}
	flag := func(title string) {
		f := Load(Param(title), GP8())
		TESTB(f, f)
	}
	// floats makes floats of the sums of the panel before.
	floats := func(label string) {
		from, xs, to, n := GP64(), Load(Param("xs"), GP64()), GP64(), GP64()
		LEAQ(at(sums, -2048), from)
		MOVQ(dst, to)
		MOVQ(U32(tileRows), n)
		o.xs = func(int) Mem { return at(xs, 0) }
		Label(label)
		o.store(to, 0, 0, func(half int, sum VecVirtual) {
			higher := ZMM()
			VCVTDQ2PD(at(from, 32*half), higher)
			VCVTDQ2PD(at(from, 1024+32*half), sum)
			VFMADD231PD(f64(256), higher, sum)
		})
		ADDQ(Imm(64), from)
		ADDQ(Imm(8), xs)
		ADDQ(ldd, to)
		DECQ(n)
		JNZ(LabelRef(label))
		ADDQ(Imm(64), dst)
		ADDQ(Imm(64), o.ws)
	}

	Label("panel")
	flag("first")
	JNZ(LabelRef("zero"))
	tileloadd.access(tileHigh, rows(sums, 0, 64))
	tileloadd.access(tileLow, rows(sums, 1024, 64))
	JMP(LabelRef("begin"))
	Label("zero")
	tilezero.register(tileHigh, 0, 0)
	tilezero.register(tileLow, 0, 0)
	Label("begin")
	x, w, n := Load(Param("x"), GP64()), GP64(), Load(Param("blocks"), GP64())
	MOVQ(panel, w)
	loop("columns", n, 2, func() {
		tileloadd.access(tileW, rows(w, 0, 64))
		tileloadd.access(tileX, rows(x, 0, 64))
		tdpbsud.register(tileHigh, tileX, tileW)
		tileloadd.access(tileX1, rows(x, 1024, 64))
		tdpbsud.register(tileLow, tileX1, tileW)
		for i := range channelFetch / 64 {
			PREFETCHT1(at(fetch, 64*i))
		}
		ADDQ(step, fetch)
		ADDQ(U32(2048), x)
		ADDQ(U32(1024), w)
	})
	TESTQ(n, n)
	JZ(LabelRef("multiplied"))
	tileloadd.access(halfW, rows(w, 0, 64))
	tileloadd.access(halfX, rows(x, 0, 32))
	tdpbsud.register(tileHigh, halfX, halfW)
	tileloadd.access(halfX, rows(x, 512, 32))
	tdpbsud.register(tileLow, halfX, halfW)
	Label("multiplied")
	flag("last")
	JZ(LabelRef("store"))
	CMPQ(sums, scalar("sums"))
	JEQ(LabelRef("store"))
	floats("row")
	Label("store")
	tilestored.access(tileHigh, rows(sums, 0, 64))
	tilestored.access(tileLow, rows(sums, 1024, 64))
	ADDQ(U32(2048), sums)
	ADDQ(scalar("ldw"), panel)
	DECQ(left)
	JNZ(LabelRef("panel"))
	tilerelease.alone()
	flag("last")
	JZ(LabelRef("done"))
	floats("lastRow")
	Label("done")
	VZEROUPPER()
	RET()
}

// channelFetch is how many bytes tileChannel fetches with 64 columns at most.
const channelFetch = 512

// splitDigits writes the bringing of a row of digits, blocks times 32 higher and 32 lower ones, into planes of 64 columns,
// [2, 16, 64]. It leaves the last 32 columns where there are not 64.
func splitDigits() {
	TEXT("splitDigitsAMX", NOSPLIT, "func(dst *int16, q *int16, blocks int)")
	Pragma("noescape")
	dst, q, n := Load(Param("dst"), GP64()), Load(Param("q"), GP64()), Load(Param("blocks"), GP64())
	loop("columns", n, 2, func() {
		first, second, high, low := ZMM(), ZMM(), ZMM(), ZMM()
		VMOVDQU32(at(q, 0), first)
		VMOVDQU32(at(q, 64), second)
		VINSERTI64X4(Imm(1), second.AsY(), first, high)
		VSHUFI64X2(Imm(0xEE), second, first, low)
		VMOVDQU32(high, at(dst, 0))
		VMOVDQU32(low, at(dst, 1024))
		ADDQ(U32(128), q)
		ADDQ(U32(2048), dst)
	})
	VZEROUPPER()
	RET()
}
