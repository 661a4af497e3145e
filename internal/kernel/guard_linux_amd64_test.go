package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"jamba/internal/kernel/par"
	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// place says where operands lie in memory.
type place string

const (
	onHeap  place = "on the heap"
	atEnd   place = "at the end of their pages"
	atStart place = "at the start of their pages"
)

// regionSize is a multiple of any page's size.
const regionSize = 1 << 19

// poison fills what belongs to no operand: as floats, of 32 or 16 bits, it is NaN.
const poison = 0xFF

// memory hands out copies of operands. Other than on the heap, each has a region to itself, between two pages that
// fault, and touches one of these; the region's rest is poison.
type memory struct {
	t        *testing.T
	where    place
	regions  [][]byte
	operands [][]byte
}

func (m *memory) region(i int) []byte {
	if i < len(m.regions) {
		return m.regions[i]
	}
	page := os.Getpagesize()
	all, err := unix.Mmap(-1, 0, regionSize+2*page, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		if err := unix.Munmap(all); err != nil {
			m.t.Error(err)
		}
	})
	r := all[page : page+regionSize]
	if err := unix.Mprotect(r, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		m.t.Fatal(err)
	}
	fillBytes(r)
	m.regions = append(m.regions, r)
	return r
}

func fillBytes(b []byte) {
	for i := range b {
		b[i] = poison
	}
}

// put returns a copy of x in m, with no capacity beyond its length.
func put[T any](m *memory, x []T) []T {
	if len(x) == 0 {
		return nil
	}
	b := asBytes(x)
	var to []byte
	switch m.where {
	case onHeap:
		c := slices.Clip(slices.Clone(x))
		m.operands = append(m.operands, asBytes(c))
		return c
	case atEnd:
		r := m.region(len(m.operands))
		to = r[len(r)-len(b):]
	case atStart:
		to = m.region(len(m.operands))[:len(b)]
	}
	copy(to, b)
	m.operands = append(m.operands, to)
	return unsafe.Slice((*T)(unsafe.Pointer(&to[0])), len(x))
}

// clean makes everything poison again and reports whether what lay beside the operands still was.
func (m *memory) clean() bool {
	ok := true
	for i, o := range m.operands {
		const near = 512
		r := m.regions[i]
		beside := r[len(o):min(len(o)+near, len(r))]
		if m.where == atEnd {
			beside = r[max(0, len(r)-len(o)-near) : len(r)-len(o)]
		}
		for _, b := range beside {
			ok = ok && b == poison
		}
		fillBytes(o)
	}
	m.operands = m.operands[:0]
	return ok
}

// guards calls kernels on operands all over memory.
type guards struct{ heap, mapped memory }

func newGuards(t *testing.T) *guards {
	// Faults can be told of on the goroutine at work only.
	par.SetThreads(1)
	t.Cleanup(func() { par.SetThreads(0) })
	return &guards{memory{t: t, where: onHeap}, memory{t: t}}
}

// check asserts that run, which puts its operands into m and then calls a kernel, touches nothing beside them, and
// leaves the same bits in them wherever they lie. Prefetches may go beyond: they do not fault.
func (g *guards) check(what string, run func(m *memory)) {
	t := g.mapped.t
	t.Helper()
	places := []place{atEnd, atStart}
	got := make([][][]byte, len(places))
	for i, where := range places {
		g.mapped.where = where
		if fault := caught(func() { run(&g.mapped) }); fault != nil {
			t.Fatalf("%s, operands %s: %v", what, where, fault)
		}
		for _, o := range g.mapped.operands {
			got[i] = append(got[i], bytes.Clone(o))
		}
		if !g.mapped.clean() {
			t.Fatalf("%s, operands %s: memory beside them changed", what, where)
		}
	}
	// The heap comes last: what reaches beyond has been stopped before it can do harm there.
	g.heap.operands = nil
	run(&g.heap)
	for i, where := range places {
		if !slices.EqualFunc(got[i], g.heap.operands, bytes.Equal) {
			t.Fatalf("%s: operands %s have other bits than on the heap", what, where)
		}
	}
}

// caught returns what f panics with, faults included.
func caught(f func()) (fault any) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { fault = recover() }()
	f()
	return nil
}

// hostile is random, with now and then what is no ordinary number.
func hostile(r *rand.Rand, n int) []float32 {
	x := random(r, n)
	special := []float32{0, float32(math.Copysign(0, -1)), 1e-42, math.MaxFloat32, float32(math.Inf(-1)), float32(math.NaN())}
	if n > 0 && r.IntN(4) == 0 {
		x[r.IntN(n)] = special[r.IntN(len(special))]
	}
	return x
}

func TestGuardsWork(t *testing.T) {
	g := newGuards(t)
	for _, where := range []place{atEnd, atStart} {
		g.mapped.where = where
		x := put(&g.mapped, make([]byte, 10))
		for _, off := range []int{-1, 10} {
			beyond := (*byte)(unsafe.Add(unsafe.Pointer(&x[0]), off))
			if faults, want := caught(func() { _ = *beyond }) != nil, (off > 0) == (where == atEnd); faults != want {
				t.Errorf("operands %s: byte %d faults: %v, want %v", where, off, faults, want)
			}
		}
		if !g.mapped.clean() {
			t.Errorf("operands %s: changes where there are none", where)
		}
		x = put(&g.mapped, make([]byte, 10))
		inner := -1
		if where == atStart {
			inner = 10
		}
		*(*byte)(unsafe.Add(unsafe.Pointer(&x[0]), inner)) = 0
		if g.mapped.clean() {
			t.Errorf("operands %s: a change beside them is not seen", where)
		}
		*(*byte)(unsafe.Add(unsafe.Pointer(&x[0]), inner)) = poison
	}
}

func TestGuardedDot(t *testing.T) {
	g, r := newGuards(t), rand.New(rand.NewPCG(21, 1))
	for range 150 {
		m, n, k := 1+r.IntN(13), 1+r.IntN(14), pick(r, 1, 2, 3, 7, 8, 9, 15, 17, 24, 31, 32, 33, 39, 64, 65)
		if r.IntN(8) == 0 {
			m, k = 1+r.IntN(5), kBlock+pick(r, -1, 0, 1, 7, 8, 9, 33)
		}
		ldd := n + pick(r, 0, 3)
		x, w, dst := hostile(r, m*k), hostile(r, n*k), random(r, (m-1)*ldd+n)
		g.check(fmt.Sprintf("dot m %d n %d k %d ldd %d", m, n, k, ldd), func(to *memory) {
			active.dot(put(to, dst), put(to, x), put(to, w), m, n, k, ldd)
		})
	}
}

func TestGuardedGemm(t *testing.T) {
	g, r := newGuards(t), rand.New(rand.NewPCG(22, 1))
	for range 150 {
		m, n, k := 1+r.IntN(13), pick(r, 1, 5, 15, 16, 17, 31, 32, 33, 48, 50), pick(r, 1, 2, 3, 4, 5, 7, 8, 9, 31)
		ldx, add := k+pick(r, 0, 5), r.IntN(2) == 0
		if r.IntN(8) == 0 {
			k, ldx = pick(r, 255, 256), PageLen
		}
		x, w, dst := hostile(r, (m-1)*ldx+k), hostile(r, k*n), random(r, m*n)
		g.check(fmt.Sprintf("gemm m %d n %d k %d ldx %d add %v", m, n, k, ldx, add), func(to *memory) {
			active.gemm(put(to, dst), put(to, x), put(to, w), m, n, k, ldx, add)
		})
		if active.gemmHalf == nil || n%16 != 0 {
			continue
		}
		half := make([]byte, 2*k*n)
		NarrowF16(half, w)
		g.check(fmt.Sprintf("gemmHalf m %d n %d k %d ldx %d add %v", m, n, k, ldx, add), func(to *memory) {
			active.gemmHalf(put(to, dst), put(to, x), put(to, half), m, n, k, ldx, add)
		})
	}
}

func TestGuardedMatMul(t *testing.T) {
	g, r := newGuards(t), rand.New(rand.NewPCG(23, 1))
	for _, d := range dtypes {
		for range 20 {
			m, n, k := 1+r.IntN(13), 1+r.IntN(26), d.BlockValues()*(1+r.IntN(3))
			if d.BlockValues() == 1 {
				k = pick(r, 1, 2, 5, 8, 15, 16, 24, 31, 40, 63, 72)
			}
			w, _ := randomMatrix(t, r, d, n, k)
			x, row := hostile(r, m*k), w.Raw()[:w.size/n]
			g.check(fmt.Sprintf("row of %v k %d", d, k), func(to *memory) {
				if src, dst := put(to, row), put(to, make([]float32, k)); active.dequantize == nil || !active.dequantize(dst, d, src) {
					quant.Dequantize(dst, d, src)
				}
			})
			g.check(fmt.Sprintf("MatMul %v m %d n %d k %d", d, m, n, k), func(to *memory) {
				w, err := NewMatrix(tensor.Tensor{Name: "w", DType: d, Shape: []int{n, k}, Data: put(to, w.Raw())})
				if err != nil {
					t.Fatal(err)
				}
				MatMul(put(to, make([]float32, m*n)), put(to, x), &w)
			})
		}
	}
}

// TestGuardedMany has the operands of products of many rows guarded, and then what lies between the steps of one, too.
func TestGuardedMany(t *testing.T) {
	if active.many == nil {
		t.Skip("these kernels have none for many rows")
	}
	g, r := newGuards(t), rand.New(rand.NewPCG(29, 1))
	many := active.many
	for i := range 90 {
		d := []tensor.DType{tensor.F32, tensor.BF16, tensor.F16}[i%3]
		m, n, k := many.from.floats+r.IntN(45), 1+r.IntN(100), pick(r, 1, 2, 5, 7, 8, 9, 15, 16, 17, 24, 31, 64, 65, 200)
		if i%3 > 0 {
			m, k = many.from.halves+r.IntN(20), pick(r, 8, 16, 24, 40, 48)
		}
		if r.IntN(10) == 0 {
			m, n, k = many.from.floats+r.IntN(4), 1+r.IntN(20), kBlock+pick(r, 0, 1, 8)
		}
		w, _ := randomMatrix(t, r, d, n, k)
		x := hostile(r, m*k)
		g.check(fmt.Sprintf("MatMul %v m %d n %d k %d", d, m, n, k), func(to *memory) {
			w, err := NewMatrix(tensor.Tensor{DType: d, Shape: []int{n, k}, Data: put(to, w.Raw())})
			if err != nil {
				t.Fatal(err)
			}
			MatMul(put(to, make([]float32, m*n)), put(to, x), &w)
		})
		tiles, part := 1+r.IntN(manyAtOnce), many.part(k)
		ldx, ldd, add := k+pick(r, 0, 3), many.columns+pick(r, 0, 1, 40), r.IntN(2) == 0
		x, dst := hostile(r, (tiles*many.rows-1)*ldx+k), random(r, (tiles*many.rows-1)*ldd+many.columns)
		rows := 1 + r.IntN(many.columns)
		g.check(fmt.Sprintf("packs and tiles %d k %d rows %d of %v", tiles, k, rows, d), func(to *memory) {
			left, panel, from := put(to, make([]float32, many.lanes*tiles*part)), put(to, make([]float32, many.panel(k))), put(to, x)
			for i := range tiles {
				many.packX(left[i*part:], tiles*part, from[i*many.rows*ldx:], ldx, many.rows-i%2, k)
			}
			many.pack(panel, 0, put(to, random(rand.New(rand.NewPCG(1, 1)), (rows-1)*ldx+k)), ldx, rows, k)
			if d != tensor.F32 {
				many.packHalf(panel, d, put(to, make([]byte, 2*((rows-1)*ldx+k))), ldx, rows, k)
			}
			many.tile(put(to, dst), ldd, left, tiles*part, part, panel, tiles, k, put(to, make([]float32, tiles*many.sums)), add, ahead{new(byte), 64})
		})
	}
}

// TestGuardedPacked has the packed weights guarded, and then, panel by panel, the memory in between, too.
func TestGuardedPacked(t *testing.T) {
	if active.pack == nil {
		t.Skip("these kernels pack nothing")
	}
	g, r := newGuards(t), rand.New(rand.NewPCG(24, 1))
	for _, d := range dtypes {
		for i := 0; i < 20 && Packs(d); i++ {
			m, n, k := 1+r.IntN(13), 1+r.IntN(26), max(32, d.BlockValues())*(1+r.IntN(3))
			if i%4 == 1 {
				n = pick(r, n, 64, 128) // whole tiles of columns
			}
			if i%2 == 0 {
				m, n, k = wideFrom+r.IntN(20), pick(r, n, 63, 64, 65, 128, 130), max(32, d.BlockValues())*pick(r, 1, 2, 3, 17)
				k = min(k, 3*fourPanels.columns/2)
				if i%4 == 0 {
					m = tileFrom + r.IntN(20)
				}
			}
			w, _ := randomMatrix(t, r, d, n, k)
			w.Pack(new(Slab))
			guarded := func(to *memory) *packed {
				p := *w.weights.(*packed)
				panels := *p.panels
				p.panels = &panels
				for _, part := range p.parts() {
					*part.bytes = put(to, *part.bytes)
				}
				if i%4 == 1 && p.from != never {
					p.from = 1 // the way of many rows with few
				}
				return &p
			}
			x := hostile(r, m*k)
			what := fmt.Sprintf("%v m %d n %d k %d", d, m, n, k)
			g.check("MatMul of packed "+what, func(to *memory) {
				MatMul(put(to, make([]float32, m*n)), put(to, x), &Matrix{N: n, K: k, DType: d, weights: guarded(to)})
			})
			g.check("tiles of "+what, func(to *memory) {
				p := guarded(to)
				if tiles, ok := p.way(m).(*wideTiles); ok {
					guardedWide(to, p, tiles, m, n, k, put(to, x))
					return
				}
				if tiles, ok := p.way(m).(*tileUnits); ok {
					guardedTiles(to, p, tiles, m, n, k, put(to, x))
					return
				}
				round := rounded{q: put(to, make([]int16, m*p.kernels.few.rowSize(k))), scales: put(to, make([]float32, m*k/16))}
				(&roundLoop{&round, put(to, x), m, p, few{}}).Range(0, m)
				rows := p.rows
				e := expanded{scale: put(to, make([]float32, k/p.sub*rows)), minima: put(to, make([]float32, k/p.sub*rows))}
				if tiles, ok := p.kernels.few.(channelTiles); ok {
					e.wide = put(to, make([]float64, len(tiles.tiles)*rows))
				}
				dst := put(to, make([]float32, m*rows))
				for panel := range p.count {
					p.kernels.few.panel(dst, rows, &round, 0, m, p, panel, &e)
				}
			})
		}
	}
}

// guardedWide computes a product by wide tiles.
func guardedWide(to *memory, p *packed, tiles *wideTiles, m, n, k int, x []float32) {
	rows, atOnce := (m+productRows-1)/productRows*productRows, min(tiles.columns, k)
	round := rounded{put(to, make([]int16, rows*k)), put(to, make([]float32, rows*k/16))}
	(&roundLoop{&round, x, m, p, tiles}).Range(0, m)
	scales := tiles.panels * atOnce / p.sub * p.rows
	e := expanded{
		scale: put(to, make([]float32, scales)), minima: put(to, make([]float32, scales)),
		products: put(to, make([]float32, productRows*tiles.panels*p.rows+tiles.wideWork(p.rows))),
		weights:  put(to, make([]int16, tiles.panels*atOnce*p.rows)),
	}
	l := packedLoop{dst: put(to, make([]float32, m*n)), x: &round, p: p, way: tiles, m: m}
	for at := 0; at < k; at += tiles.columns {
		for panel := 0; panel < p.count; panel += tiles.panels {
			tiles.group(&l, &e, panel, p.count-1, 0, m, at, min(tiles.columns, k-at), l.ahead(panel+tiles.panels, tiles.panels, at, tiles.columns))
		}
	}
}

// guardedTiles computes a product on tile units.
func guardedTiles(to *memory, p *packed, tiles *tileUnits, m, n, k int, x []float32) {
	rows, atOnce := tiles.roundedRows(m), min(tiles.columns, k)
	round := rounded{put(to, make([]int16, rows*p.kernels.few.rowSize(k))), put(to, make([]float32, rows*k/16))}
	(&roundLoop{&round, x, m, p, tiles}).Range(0, m)
	scales := tilePanels * atOnce / p.sub * p.rows
	e := expanded{
		scale: put(to, make([]float32, scales)), minima: put(to, make([]float32, scales)),
		products: put(to, make([]float32, tileRows*p.count*p.rows)), weights: put(to, make([]int16, tilePanels*atOnce*p.rows)),
		sums: put(to, make([]int32, tileSums)),
	}
	l := packedLoop{dst: put(to, make([]float32, m*n)), x: &round, p: p, way: tiles, m: m}
	for at := 0; at < k; at += tiles.columns {
		for first := 0; first < p.count; first += tilePanels {
			tiles.panels(&l, &e, first, min(first+tilePanels, p.count), p.count, at)
		}
	}
}

func TestGuardedElementwise(t *testing.T) {
	g, r := newGuards(t), rand.New(rand.NewPCG(25, 1))
	for n := 1; n <= 50; n++ {
		x, y := hostile(r, n), hostile(r, n)
		g.check(fmt.Sprintf("siluMul of %d", n), func(m *memory) { active.siluMul(put(m, x), put(m, y)) })
		g.check(fmt.Sprintf("addScaled of %d", n), func(m *memory) { active.addScaled(put(m, x), 3, put(m, y)) })
		g.check(fmt.Sprintf("softplus of %d", n), func(m *memory) { active.softplus(put(m, x)) })
		g.check(fmt.Sprintf("rmsNorm of %d", n), func(m *memory) {
			active.rmsNorm(put(m, make([]float32, n)), put(m, x), put(m, y), 1e-5)
		})
		g.check(fmt.Sprintf("NarrowF16 of %d", n), func(m *memory) { NarrowF16(put(m, make([]byte, 2*n)), put(m, x)) })
		x = hostile(r, 8*n)
		g.check(fmt.Sprintf("max and expSum of %d", 8*n), func(m *memory) {
			v := put(m, x)
			largest := active.max(v)
			put(m, []float32{largest, active.expSum(v, largest)})
		})
		b := make([]byte, 100*n)
		g.check(fmt.Sprintf("Read of %d", len(b)), func(m *memory) { Read(put(m, b)) })
	}
}

func TestGuardedConv(t *testing.T) {
	g, r := newGuards(t), rand.New(rand.NewPCG(26, 1))
	for i := range 120 {
		l, e, w := r.IntN(7), 1+r.IntN(40), 1+i%9
		stride := e + pick(r, 0, 3, e)
		past, x, weight, bias := random(r, (w-1)*e), hostile(r, max(0, (l-1)*stride+e)), random(r, w*e), random(r, e)
		if i%5 == 0 {
			bias = nil
		}
		g.check(fmt.Sprintf("CausalConv L %d E %d W %d", l, e, w), func(m *memory) {
			state := put(m, past)
			CausalConv([]Conv{{
				Dst: put(m, make([]float32, l*e)), X: put(m, x), XStride: stride, Weight: put(m, weight), Bias: put(m, bias), State: state,
				Cuts: []Cut{{l, state}}, L: l, E: e, W: w,
			}})
		})
	}
}

func TestGuardedScan(t *testing.T) {
	g, r := newGuards(t), rand.New(rand.NewPCG(27, 1))
	for i := range 80 {
		l, e, s := r.IntN(5), 1+r.IntN(50), 1+i%20
		if i%10 == 0 {
			l = 63 + r.IntN(4)
		}
		stride := e + pick(r, 0, 1, e)
		x, dt, z, b, c, d := random(r, l*e), hostile(r, l*e), hostile(r, max(0, (l-1)*stride+e)), random(r, l*s), random(r, l*s), random(r, e)
		a, h := random(r, ScanPanels(e)*ScanPanel*s), random(r, ScanPanels(e)*ScanPanel*s)
		g.check(fmt.Sprintf("SelectiveScan L %d E %d S %d", l, e, s), func(m *memory) {
			sc := Scan{
				X: put(m, x), Dt: put(m, dt), Z: put(m, z), ZStride: stride, B: put(m, b), C: put(m, c), A: put(m, a), D: put(m, d), H: put(m, h),
				L: l, E: e, S: s,
			}
			if sc.Y = sc.X; i%2 == 0 {
				sc.Y = put(m, make([]float32, l*e))
			}
			sc.Cuts = []Cut{{l, sc.H}}
			SelectiveScan([]Scan{sc})
		})
	}
}

func TestGuardedNarrow(t *testing.T) {
	g, r := newGuards(t), rand.New(rand.NewPCG(29, 1))
	for n := 1; n <= 100; n++ {
		for _, d := range []tensor.DType{tensor.F16, tensor.Q8_0} {
			x := hostile(r, n)
			_, bytes := PageRow(d, n)
			g.check(fmt.Sprintf("Narrow %d values to %v", n, d), func(to *memory) {
				dst, src := put(to, make([]byte, bytes)), put(to, x)
				if err := Narrow(dst, d, src); err != nil {
					clear(dst)
				}
			})
		}
	}
}

func TestGuardedFit(t *testing.T) {
	if active.fit == nil {
		t.Skip("these kernels fit nothing")
	}
	g, r := newGuards(t), rand.New(rand.NewPCG(30, 1))
	for i := range 60 {
		n, tries := 8*pick(r, 16, 32), pick(r, 2, 18, 22)
		x, numbers := hostile(r, n), make([]byte, n)
		for j := range numbers {
			numbers[j] = byte(r.IntN(64))
		}
		lanes := func(to *memory) *quant.Lanes { return (*quant.Lanes)(put(to, random(r, 8))) }
		seed := r.Uint64()
		g.check(fmt.Sprintf("fits %d values in %d tries", n, tries), func(to *memory) {
			r = rand.New(rand.NewPCG(seed, 1)) // the same operands each time
			in, fit := put(to, x), active.fit
			fitting := quant.Range{Most: 15, Steps: put(to, random(r, tries))}
			signed := quant.Range{Least: -32, Most: 31, Offset: 256, Steps: fitting.Steps}
			switch i % 6 {
			case 0:
				fit.Fit(lanes(to), lanes(to), in, put(to, make([]float32, n)), &fitting)
			case 1:
				fit.FitSigned(lanes(to), in, &signed)
			case 2:
				sums := &put(to, []quant.Sums{{}})[0]
				fit.Number(put(to, make([]byte, n)), sums, in, lanes(to), lanes(to), 15)
			case 3:
				fit.NumberSigned(put(to, make([]byte, n)), in, lanes(to), &signed)
			case 4:
				fit.Error(lanes(to), put(to, numbers), in, lanes(to), lanes(to), 4)
			case 5:
				fit.Interleave(put(to, make([]float32, n)), in)
				put(to, []uint32{fit.Peak(in)})
			}
		})
	}
}

func TestGuardedAttend(t *testing.T) {
	g, r := newGuards(t), rand.New(rand.NewPCG(28, 1))
	for i := range 150 {
		groups, d, m := 1+r.IntN(2), pick(r, 1, 3, 5, 7, 8, 9, 16, 17, 31, 32, 33, 48, 64, 80, 128), 1+r.IntN(13)
		heads := groups * (1 + r.IntN(3))
		start := pick(r, 0, 1, 6, PageLen-m, PageLen-1, PageLen, PageLen+3, 2*PageLen-1)
		window := pick(r, 0, 0, 1, 5, PageLen-1, PageLen, PageLen+1)
		total := start + m
		pages := (total + PageLen - 1) / PageLen
		q, kv := hostile(r, m*heads*d), random(r, 2*pages*groups*PageLen*d)
		dtype := []tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0}[i%3]
		_, row := PageRow(dtype, d)
		raw := make([]byte, 2*pages*groups*PageLen*row)
		switch dtype {
		case tensor.F16:
			NarrowF16(raw, kv)
		case tensor.Q8_0:
			hostileQ8(r, raw)
		}
		g.check(fmt.Sprintf("Attend start %d m %d heads %d groups %d d %d window %d %v", start, m, heads, groups, d, window, dtype), func(to *memory) {
			a := Attention{Q: put(to, q), DType: dtype, Start: start, Window: window, Scale: 0.3, M: m, H: heads, G: groups, D: d}
			if a.Dst = a.Q; m%2 == 0 {
				a.Dst = put(to, make([]float32, len(q)))
			}
			for p := range pages {
				size, bytes := groups*PageLen*d, groups*PageLen*row
				var page Page
				switch first := 2 * p * size; {
				case window > 0 && (p+1)*PageLen <= start-window+1: // wholly before the window
				case dtype != tensor.F32:
					page.RawK, page.RawV = put(to, raw[2*p*bytes:(2*p+1)*bytes]), put(to, raw[(2*p+1)*bytes:(2*p+2)*bytes])
				default:
					page.K, page.V = put(to, kv[first:first+size]), put(to, kv[first+size:first+2*size])
				}
				a.Pages = append(a.Pages, page)
			}
			Attend([]Attention{a})
		})
	}
}

// hostileQ8 fills raw with blocks of numbers at their extremes and in between, with scales that are zero, denormal or
// large.
func hostileQ8(r *rand.Rand, raw []byte) {
	for at := 0; at < len(raw); at += 34 {
		binary.LittleEndian.PutUint16(raw[at:], uint16(pick(r, 0, 0x8000, 1, 0x3FF, 0x2000, 0x2400, 0xA400, 0x4000)))
		for i := range 32 {
			raw[at+2+i] = byte(pick(r, -128, -127, 127, 0, 1, r.IntN(256)))
		}
	}
}

// TestGuardedCoded has the blocks of BF16 in 12 bits guarded, and where they begin.
func TestGuardedCoded(t *testing.T) {
	if active.coded == nil {
		t.Skip("these kernels have none")
	}
	g, r := newGuards(t), rand.New(rand.NewPCG(37, 1))
	for range 30 {
		m, n, k := pick(r, 1, 2, 5, 8, 9, 50), 1+r.IntN(60), 128*(1+r.IntN(9))
		data := make([]byte, 2*n*k)
		w, err := NewMatrix(tensor.Tensor{Name: "w", DType: tensor.BF16, Shape: []int{n, k}, Data: data})
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.IntN(20) * n * k / 10000 { // the last block among them
			data[2*(n*k-1-i)+1] = byte(r.Uint32())
		}
		if w.Code(new(Slab)) == nil {
			t.Fatalf("[%d, %d] was not coded", n, k)
		}
		c, x := w.weights.(*coded), hostile(r, m*k)
		g.check(fmt.Sprintf("MatMul m %d n %d k %d", m, n, k), func(to *memory) {
			guarded := *c
			guarded.blocks, guarded.start = put(to, c.blocks), put(to, c.start)
			w.weights = &guarded
			MatMul(put(to, make([]float32, m*n)), put(to, x), &w)
		})
	}
}
