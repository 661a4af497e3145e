package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// pageLen is PageLen of package kernel.
const pageLen = 256

// pageType is how keys and values lie in pages: in blocks of 32 values.
type pageType struct {
	title string
	block int // bytes of a block
	first int // where in it the values begin, behind the scale if there is one
	size  int // bytes of a value
	// widen makes floats of a vector of values at from, with their block's scale in every lane.
	widen func(from Mem, scale, to VecVirtual)
}

var pageTypes = []pageType{
	{"F16", 64, 0, 2, func(from Mem, _, to VecVirtual) { VCVTPH2PS(from, to) }},
	{"Q8", 34, 2, 1, func(from Mem, scale, to VecVirtual) {
		VPMOVSXBD(from, to)
		VCVTDQ2PS(to, to)
		VMULPS(scale, to, to)
	}},
}

// widened are rows of which float32 has been made for many queries.
var widened = pageType{"F32", 128, 0, 4, func(from Mem, _, to VecVirtual) { VMOVUPS(from, to) }}

func (p pageType) scaled() bool { return p.first > 0 }

// fetches reports whether the rows are those of pages, beside which others are fetched.
func (p pageType) fetches() bool { return p.size < 4 }

func (p pageType) mixSignature() string {
	if !p.fetches() {
		return "func(dst *float32, ldd int, weights *float32, ldw int, values *float32, row int, n int)"
	}
	return "func(dst *float32, ldd int, weights *float32, ldw int, values *byte, scales *float32, ahead *byte, row int, n int)"
}

// offset is where value i of a row lies in it.
func (p pageType) offset(i int) int { return i/32*p.block + p.first + i%32*p.size }

// near is how far ahead of the products rows are fetched from the second cache, in bytes.
const near = 2048

// attention writes the products of attention with keys and values as pages hold them. Sums have one order for any number of
// queries. While kernels read rows, they fetch the bytes at ahead that lie likewise: all is read from memory once, and the
// processor's own fetching ends at each page of 4 KiB.
func attention() {
	if v.wide() {
		for _, m := range []int{1, 2, 3} {
			quadTile(m)
		}
		widenHalves()
		widenBlocks()
		for _, p := range append(pageTypes, widened) {
			for m := 1; m <= 6; m++ { // 24 sums
				mixTile(p, m, 1)
				mixTile(p, m, 4)
			}
		}
		return
	}
	for _, p := range pageTypes {
		for _, m := range []int{1, 2, 4} {
			scoreTile(p, m)
		}
		for m := 1; m <= v.gemmRows; m++ {
			mixTile(p, m, 2)
		}
		mixTile(p, 1, 8)
		mixTile(p, 2, 4)
	}
	pageScales()
}

// scoreTile writes the products of m queries, 1, 2 or 4, with n keys, a multiple of 8, of dim values: eight products at a
// time, whose sums are added up side by side.
func scoreTile(p pageType, m int) {
	TEXT(name("score", p.title, "x", m), NOSPLIT, "func(dst *float32, ldd int, q *float32, keys *byte, ahead *byte, row int, n int, dim int)")
	Pragma("noescape")
	count := 8 / m // keys at a time
	dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	SHLQ(Imm(2), ldd)
	q, ldq := Load(Param("q"), GP64()), Load(Param("dim"), GP64())
	SHLQ(Imm(2), ldq)
	keys, ahead, row := Load(Param("keys"), GP64()), Load(Param("ahead"), GP64()), Load(Param("row"), GP64())
	n := Load(Param("n"), GP64())
	out, outs := rowsOf(dst, ldd, m)
	query, queries := rowsOf(q, ldq, m)
	key, bases := rowsOf(keys, row, count)
	next, nexts := rowsOf(ahead, row, count)
	bases = append(bases, nexts...)
	acc := vectors(8) // [m, count]

	// values adds the products of some vectors of values from here.
	values := func(some int) {
		scales := make([]VecVirtual, count)
		scale := func(j int) {
			if p.scaled() {
				scales[j] = blockScale(key(j))
			}
		}
		if m == 1 { // there are not registers for eight scales
			for j := range count {
				scale(j)
				for i := range some {
					w := YMM()
					p.widen(disp(key(j), p.offset(8*i)), scales[j], w)
					VFMADD231PS(disp(query(0), 32*i), w, acc[j])
				}
			}
			return
		}
		for j := range count {
			scale(j)
		}
		for i := range some {
			x := vectors(m)
			for h := range m {
				VMOVUPS(disp(query(h), 32*i), x[h])
			}
			for j := range count {
				w := YMM()
				p.widen(disp(key(j), p.offset(8*i)), scales[j], w)
				for h := range m {
					VFMADD231PS(w, x[h], acc[h*count+j])
				}
			}
		}
	}
	loop("keys", n, count, func() {
		for _, a := range acc {
			VXORPS(a, a, a)
		}
		dim := GP64()
		Load(Param("dim"), dim)
		loop("block", dim, 32, func() {
			for j := range count {
				PREFETCHT0(next(j))
				PREFETCHT0(disp(key(j), near))
			}
			values(4)
			for _, r := range queries {
				ADDQ(U32(128), r)
			}
			for _, r := range bases {
				add(p.block, r)
			}
		})
		if !p.scaled() {
			loop("eight", dim, 8, func() {
				values(1)
				for _, r := range queries {
					ADDQ(Imm(32), r)
				}
				for _, r := range bases {
					ADDQ(Imm(16), r)
				}
			})
		}
		for _, r := range queries {
			SUBQ(ldq, r)
		}
		for _, r := range bases { // which are a row on: to the one after these
			switch count {
			case 8:
				LEAQ(Mem{Base: r, Index: row, Scale: 8}, r)
				SUBQ(row, r)
			case 4:
				LEAQ(Mem{Base: r, Index: row, Scale: 2}, r)
				ADDQ(row, r)
			case 2:
				ADDQ(row, r)
			}
		}
		low, high := lanesSums(acc), XMM()
		switch m {
		case 1:
			VMOVUPS(low, out(0))
		case 2:
			VMOVUPS(low.AsX(), out(0))
			VEXTRACTF128(Imm(1), low, out(1))
		case 4:
			VMOVLPS(low.AsX(), out(0))
			VMOVHPS(low.AsX(), out(1))
			VEXTRACTF128(Imm(1), low, high)
			VMOVLPS(high, out(2))
			VMOVHPS(high, out(3))
		}
		for _, r := range outs {
			ADDQ(Imm(uint64(4*count)), r)
		}
	})
	VZEROUPPER()
	RET()
}

// blockScale returns the fp16 number at from in every lane.
func blockScale(from Mem) VecVirtual {
	scale := v.register()
	if v.wide() {
		h := YMM()
		VPBROADCASTW(from, h)
		VCVTPH2PS(h, scale)
		return scale
	}
	h := XMM()
	VPBROADCASTW(from, h)
	VCVTPH2PS(h, scale)
	return scale
}

// advance adds n strides, 1, 3, 7 or 15, to r.
func advance(r, stride Register, n int) {
	for ; n > 8; n -= 8 {
		LEAQ(Mem{Base: r, Index: stride, Scale: 8}, r)
	}
	switch n {
	case 7:
		LEAQ(Mem{Base: r, Index: stride, Scale: 8}, r)
		SUBQ(stride, r)
	case 3:
		LEAQ(Mem{Base: r, Index: stride, Scale: 2}, r)
		ADDQ(stride, r)
	case 1:
		ADDQ(stride, r)
	}
}

// lanesSums returns lanesSum of each of as many vectors as they have lanes, with the same bits. It spoils them.
func lanesSums(x []VecVirtual) VecVirtual {
	four := func(a, b, c, d VecVirtual) VecVirtual { // [a, a, b, b, c, c, d, d], two sums each
		halves := func(x, y VecVirtual) VecVirtual {
			low := YMM()
			VINSERTF128(Imm(1), y.AsX(), x, low)
			VPERM2F128(Imm(0x31), y, x, x)
			VADDPS(x, low, low)
			return low
		}
		ac, bd := halves(a, c), halves(b, d)
		low := YMM()
		VUNPCKLPD(bd, ac, low)
		VUNPCKHPD(bd, ac, ac)
		VADDPS(ac, low, low)
		return low
	}
	even, odd := four(x[0], x[1], x[4], x[5]), four(x[2], x[3], x[6], x[7])
	return evenOdd(even, odd)
}

// evenOdd adds neighbours: [x0+x1, x2+x3, y0+y1, y2+y3] in each quarter, or half, of a vector. It spoils x.
func evenOdd(x, y VecVirtual) VecVirtual {
	sum := v.register()
	VSHUFPS(Imm(0x88), y, x, sum)
	VSHUFPS(Imm(0xDD), y, x, x)
	VADDPS(x, sum, sum)
	return sum
}

// mixTile writes the sums of n values, each times its weight, for m queries and that many vectors of values:
// dst[i] += Σ_k weights[i, k]·values[k], over ascending k. Of blocks, scales [blocks, pageLen] are those from that of the
// first value on. From ahead on it fetches as many bytes.
func mixTile(p pageType, m, columns int) {
	TEXT(name("mix", p.title, v.title, "x", m, "x", columns), NOSPLIT,
		p.mixSignature())
	Pragma("noescape")
	acc := vectors(m * columns)
	sums := func(move func(acc VecVirtual, out Mem)) {
		dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
		SHLQ(Imm(2), ldd)
		for i := range m {
			for c := range columns {
				move(acc[i*columns+c], at(dst, v.bytes*c))
			}
			if i < m-1 {
				ADDQ(ldd, dst)
			}
		}
	}
	sums(func(acc VecVirtual, out Mem) { VMOVUPS(out, acc) })
	weights, ldw := Load(Param("weights"), GP64()), Load(Param("ldw"), GP64())
	SHLQ(Imm(2), ldw)
	weight, bases := rowsOf(weights, ldw, m)
	values, row := Load(Param("values"), GP64()), Load(Param("row"), GP64())
	value, some := rowsOf(values, row, 4)
	var scales, ahead Register
	if p.fetches() {
		ahead = Load(Param("ahead"), GP64())
	}
	if p.scaled() {
		scales = Load(Param("scales"), GP64())
	}
	n := Load(Param("n"), GP64())
	step := func(k int) {
		widen := func(c int) VecVirtual {
			w, from := v.register(), disp(value(k), p.offset(v.words()*c)-p.first)
			if !p.scaled() {
				p.widen(from, nil, w)
				return w
			}
			scale := at(scales, 4*(k+v.words()*c/32*pageLen))
			if v.wide() {
				VPMOVSXBD(from, w)
				VCVTDQ2PS(w, w)
				VMULPS_BCST(scale, w, w)
				return w
			}
			s := v.register()
			VBROADCASTSS(scale, s)
			p.widen(from, s, w)
			return w
		}
		multiply := func(i, c int, weight, w VecVirtual) { VFMADD231PS(w, weight, acc[i*columns+c]) }
		broadcast := func(i int) VecVirtual {
			b := v.register()
			VBROADCASTSS(disp(weight(i), 4*k), b)
			return b
		}
		if columns <= 2 {
			w := make([]VecVirtual, columns)
			for c := range columns {
				w[c] = widen(c)
			}
			for i := range m {
				b := broadcast(i)
				for c := range columns {
					multiply(i, c, b, w[c])
				}
			}
		} else {
			b := make([]VecVirtual, m)
			for i := range m {
				b[i] = broadcast(i)
			}
			for c := range columns {
				w := widen(c)
				for i := range m {
					multiply(i, c, b[i], w)
				}
			}
		}
	}
	forward := func(n int) {
		for _, r := range bases {
			ADDQ(Imm(uint64(4*n)), r)
		}
		for _, r := range some {
			LEAQ(Mem{Base: r, Index: row, Scale: uint8(n)}, r)
		}
		if p.scaled() {
			ADDQ(Imm(uint64(4*n)), scales)
		}
	}
	// Four rows of a part of the columns take as many bytes as are fetched meanwhile, of whole rows.
	fetched := 4 * columns * v.words() * p.block / 32
	loop("k4", n, 4, func() {
		lines := fetched / 64
		for line := 0; line < lines && p.fetches() && !v.wide(); line++ {
			PREFETCHT0(at(ahead, 64*line))
		}
		for k := range 4 {
			step(k)
			for line := k * lines / 4; line < (k+1)*lines/4 && p.fetches() && v.wide(); line++ {
				PREFETCHT2(at(ahead, 64*line)) // to the second cache: the first has not the room to wait for memory
				PREFETCHT0(at(values, near+64*line))
			}
		}
		forward(4)
		if p.fetches() {
			add(fetched, ahead)
		}
	})
	loop("k1", n, 1, func() {
		step(0)
		forward(1)
	})
	sums(func(acc VecVirtual, out Mem) { VMOVUPS(acc, out) })
	VZEROUPPER()
	RET()
}

// pageScales writes the widening of the scales, fp16, at the beginning of n rows, a multiple of 8.
func pageScales() {
	TEXT("pageScales", NOSPLIT, "func(dst *float32, rows *byte, row int, n int)")
	Pragma("noescape")
	dst, rows := Load(Param("dst"), GP64()), Load(Param("rows"), GP64())
	row, n := Load(Param("row"), GP64()), Load(Param("n"), GP64())
	scale, bases := rowsOf(rows, row, 8)
	loop("eight", n, 8, func() {
		half, scales := XMM(), YMM()
		VPXOR(half, half, half)
		for i := range 8 {
			VPINSRW(Imm(uint64(i)), scale(i), half, half)
		}
		VCVTPH2PS(half, scales)
		VMOVUPS(scales, at(dst, 0))
		ADDQ(Imm(32), dst)
		for _, r := range bases {
			LEAQ(Mem{Base: r, Index: row, Scale: 8}, r)
		}
	})
	VZEROUPPER()
	RET()
}
