package kernel

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/cpu"

	"jamba/internal/kernel/par"
)

// needTiles skips the test on processors without tile units.
func needTiles(t *testing.T) {
	t.Helper()
	if lacks := amx.lacks(); lacks != nil {
		t.Skipf("not tested: this processor lacks %s", strings.Join(lacks, ", "))
	}
}

// packedFor returns w packed for a tier.
func packedFor(tier *table, w Matrix) Matrix {
	defer func(old *table) { active = old }(active)
	active = tier
	w.Pack(new(Slab))
	return w
}

// TestTileBits asserts that products on tile units have the bits of the tier without them, for any number of rows, with
// parts of tiles, of panels and of what is widened at a time, and on any number of threads.
func TestTileBits(t *testing.T) {
	needTiles(t)
	defer par.SetThreads(0)
	for d, l := range layouts {
		if _, ok := packAMX.of(l).many.(*tileUnits); !ok {
			continue
		}
		r := rand.New(rand.NewPCG(81, uint64(d)))
		unit := max(32, d.BlockValues())
		shapes := [][3]int{
			{513, 8, 64}, {64, 16 * 2 * tilePanels, 1024}, {70, 16*tilePanels + 1, 2048 + 256}, {100, 300, 512}, {16, 1, 3072}, {23, 129, 1280},
		}
		for _, m := range invariant(64) {
			shapes = append(shapes, [3]int{m, 1 + r.IntN(70), unit * (1 + r.IntN(5))})
		}
		for i, s := range shapes {
			m, n, k := s[0], s[1], (s[2]+unit-1)/unit*unit
			plain, _ := randomMatrix(t, r, d, n, k)
			without, with := packedFor(&avx512VNNI, plain), packedFor(&amx, plain)
			if _, ok := with.weights.(*packed).way(m).(*tileUnits); ok != (m >= tileFrom) {
				t.Fatalf("%v: %d rows go by %T", d, m, with.weights.(*packed).way(m))
			}
			x, want, got := random(r, m*k), make([]float32, m*n), random(r, m*n) // to be overwritten
			x[r.IntN(len(x))] = 1e6
			par.SetThreads(1)
			MatMul(want, x, &without)
			par.SetThreads(1 + i%3)
			MatMul(got, x, &with)
			if !slices.Equal(got, want) {
				t.Fatalf("%v [%d, %d]·[%d, %d]: other bits than without tiles", d, m, k, n, k)
			}
		}
	}
}

// TestTileFewRows asserts that rows that fill no tile, when a choice gives them to tile units, have the bits of the tier without
// them. No tile unit is needed for it.
func TestTileFewRows(t *testing.T) {
	if lacks := avx512VNNI.lacks(); lacks != nil {
		t.Skipf("not tested: this processor lacks %s", strings.Join(lacks, ", "))
	}
	for d, l := range layouts {
		if _, ok := packAMX.of(l).many.(*tileUnits); !ok {
			continue
		}
		r := rand.New(rand.NewPCG(83, uint64(d)))
		const n, k = 70, 768
		plain, _ := randomMatrix(t, r, d, n, k)
		without, with := packedFor(&avx512VNNI, plain), packedFor(&amx, plain)
		with.weights.(*packed).from = 1
		for m := 1; m <= tileRest; m++ {
			x, want, got := random(r, m*k), make([]float32, m*n), random(r, m*n)
			MatMul(want, x, &without)
			MatMul(got, x, &with)
			if !slices.Equal(got, want) {
				t.Fatalf("%v, %d rows: other bits than without tiles", d, m)
			}
		}
	}
}

// TestTileKernels compares the kernels of tile units with plain evaluations, to the bit.
func TestTileKernels(t *testing.T) {
	needTiles(t)
	r := rand.New(rand.NewPCG(82, 1))
	for a, kernels := range packAMX.arithmetic {
		tiles, ok := kernels.many.(*tileUnits)
		if !ok {
			continue
		}
		minima := arithmetic(a) != i8 && arithmetic(a) != k6
		for round := range 6 {
			unit, blocks, panels, add := 32, 1+r.IntN(5), 1+r.IntN(3), round%2 == 1
			if tiles.unit == 64 {
				unit = superHalf
			}
			k, ldd := unit*blocks, 16*panels+r.IntN(9)
			x, w := make([]int16, tileRows*k), make([]int16, 16*panels*k)
			for _, all := range [][]int16{x, w} {
				for i := range all {
					all[i] = int16(r.Uint32())
				}
			}
			xs, ws, wm := random(r, tileRows*k/16), random(r, 16*panels*blocks), random(r, 16*panels*k/32)
			dst := random(r, tileRows*ldd)
			want := slices.Clone(dst)
			tileGeneric(tiles, want, ldd, asBytes(x), xs, asBytes(w), ws, wm, blocks, panels, add, minima)
			sums, fetch := make([]int32, tileSums), make([]byte, 1)
			tiles.multiply(&dst[0], ldd, &x[0], &xs[0], &w[0], &ws[0], &wm[0], &sums[0], &fetch[0], 64, blocks, panels, add)
			equalBits(t, fmt.Sprintf("arithmetic %d, %d blocks, %d panels, add %v", a, blocks, panels, add), dst, want)
		}
	}
}

// tileGeneric is what a tileKernel computes.
func tileGeneric(t *tileUnits, dst []float32, ldd int, x []byte, xs []float32, w []byte, ws, wm []float32, blocks, panels int, add, minima bool) {
	unit, planes := 32, 1
	if t.unit == 64 {
		unit, planes = superHalf, 2
	}
	k := unit * blocks
	// A column of x, and one of w, from their planes.
	activation := func(row, c int) int32 {
		at := c/t.unit*2*tileRows*t.unit + row*t.unit + c%t.unit
		return int32(int8(x[at]))<<8 + int32(x[at+tileRows*t.unit])
	}
	weight := func(panel, n, c int) int32 {
		at := planes*16*(panel*k+c/t.unit*t.unit) + c%t.unit/4*64 + n*4 + c%4
		if planes == 1 {
			return int32(int8(w[at]))
		}
		return int32(int8(w[at]))<<8 + int32(w[at+16*t.unit])
	}
	for panel := range panels {
		for row := range tileRows {
			for n := range 16 {
				out := &dst[row*ldd+16*panel+n]
				if !add {
					*out = 0
				}
				for b := range blocks {
					var sum int32 // of which overflows are of no matter
					for c := range unit {
						sum += activation(row, b*unit+c) * weight(panel, n, b*unit+c)
					}
					scale := func(j int) []float32 { return xs[((b*unit/32+j)*tileRows+row)*2:][:2] }
					*out = fused(ws[(panel*blocks+b)*16+n]*scale(0)[0], float32(sum), *out)
					for j := 0; j < unit/32 && minima; j++ {
						*out = fused(scale(j)[1], wm[((panel*blocks+b)*unit/32+j)*16+n], *out)
					}
				}
			}
		}
	}
}

// fused is x·y + z, rounded once.
func fused(x, y, z float32) float32 {
	wide := func(v float32) *big.Float { return new(big.Float).SetPrec(600).SetFloat64(float64(v)) }
	v, _ := new(big.Float).SetPrec(600).Add(new(big.Float).SetPrec(600).Mul(wide(x), wide(y)), wide(z)).Float32()
	return v
}

// TestTileOrder asserts that what wideners and split leave is the order that tileGeneric reads.
func TestTileOrder(t *testing.T) {
	if avx512VNNI.lacks() != nil || !cpu.X86.HasAVX512VBMI { // tile units are not needed for it
		t.Skip("not tested: this processor lacks AVX-512 with VNNI and VBMI")
	}
	r := rand.New(rand.NewPCG(83, 1))
	for d, l := range layouts {
		if _, ok := packAMX.of(l).many.(*tileUnits); !ok {
			continue
		}
		plain, _ := randomMatrix(t, r, d, 16, 1024)
		m := packedFor(&amx, plain)
		p := m.weights.(*packed)
		tiles := p.kernels.many.(*tileUnits)
		const at, k = 256, 512
		got := make([]int16, 16*k)
		tiles.widen.widen(got, p, 0, at, k)
		bytes, q, scales := asBytes(got), make([]float32, 32), 1
		for c := range k {
			for n := range 16 {
				p.integers.get(q, p.block(0, (at+c)/32*32), 16, n)
				if len(p.subScale) > 0 {
					scales = int(int8(p.subScale[(at+c)/p.sub*16+n]))
				}
				want, have := int(q[c%32])*scales, 0
				if tiles.unit == 32 {
					have = int(int8(bytes[c/4*64+n*4+c%4]))
				} else {
					i := c/64*2048 + c%64/4*64 + n*4 + c%4
					have = int(int8(bytes[i]))<<8 + int(bytes[i+1024])
				}
				if have != want {
					t.Fatalf("%v: column %d of row %d is %d, want %d", d, at+c, n, have, want)
				}
			}
		}
		values, planes := make([]int16, 128), make([]int16, tileRows*128)
		for i := range values {
			values[i] = int16(r.Uint32())
		}
		const row = 5
		tiles.split(&planes[row*tiles.unit/2], &values[0], 128/tiles.unit)
		for c, want := range values {
			i := c/tiles.unit*2*tileRows*tiles.unit + row*tiles.unit + c%tiles.unit
			if have := int16(asBytes(planes)[i])<<8 | int16(asBytes(planes)[i+tileRows*tiles.unit]); have != want {
				t.Fatalf("%v: activation %d is %d, want %d", d, c, have, want)
			}
		}
	}
}
