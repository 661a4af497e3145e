package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"jamba/internal/kernel/par"
	"jamba/tensor"
)

// TestChannelTileBits asserts that products with weights of INT8 on tile units have the bits of the tier without them, for
// any number of rows, with parts of tiles and of panels, with 32 columns at the end, and on any number of threads. Where the
// processor has no tile units it is of the way alone, with a kernel in plain Go.
func TestChannelTileBits(t *testing.T) {
	if avx512VNNI.lacks() != nil {
		t.Skip("not tested: this processor lacks AVX-512 with VNNI")
	}
	defer par.SetThreads(0)
	tier := amx
	if amx.lacks() != nil {
		plain := packAMX
		plain.arithmetic[c8].many = &channelUnits{multiply: channelTileGeneric, split: splitDigitsAMX}
		tier.pack = &plain
	}
	r := rand.New(rand.NewPCG(86, 1))
	shapes := [][3]int{
		{513, 8, 64},
		{64, 16 * 2 * tilePanels, channelTileK},
		{70, 16*tilePanels + 1, 2*channelTileK + 32},
		{16, 1, 3072},
		{23, 129, 1280},
		{33, 40, 32},
		{17, 50, 2*channelTileBlock/16/tilePanels + 96},
	}
	for m := 1; m <= 64; m++ {
		shapes = append(shapes, [3]int{m, 1 + r.IntN(150), 32 * (1 + r.IntN(12))})
	}
	for i, s := range shapes {
		m, n, k := s[0], s[1], s[2]
		plain, _ := randomMatrix(t, r, tensor.INT8, n, k)
		without, with := packedFor(&avx512VNNI, plain), packedFor(&tier, plain)
		if _, ok := with.weights.(*packed).way(m).(*channelUnits); ok != (m >= channelTileFrom) {
			t.Fatalf("%d rows go by %T", m, with.weights.(*packed).way(m))
		}
		x, want, got := random(r, m*k), make([]float32, m*n), random(r, m*n) // to be overwritten
		x[r.IntN(len(x))] = 1e6
		par.SetThreads(1)
		MatMul(want, x, &without)
		par.SetThreads(1 + i%3)
		MatMul(got, x, &with)
		equalBits(t, fmt.Sprintf("[%d, %d]·[%d, %d]", m, k, n, k), got, want)
	}
}

// TestChannelTileKernel compares the kernel of tile units with a plain evaluation, to the bit.
func TestChannelTileKernel(t *testing.T) {
	needTiles(t)
	r := rand.New(rand.NewPCG(87, 1))
	for round := range 12 {
		blocks, panels := 1+r.IntN(7), 1+r.IntN(tilePanels)
		first, last := round&1 == 0, round&2 == 0
		ldd, ldw := 16*panels+r.IntN(9), blocks*512+64*r.IntN(9)
		x, w := make([]int16, tileRows*32*blocks), make([]byte, panels*ldw)
		for i := range x {
			x[i] = int16(r.Uint32())
		}
		for i := range w {
			w[i] = byte(r.Uint32())
		}
		xs, ws, dst := random(r, 2*tileRows), random(r, 16*panels), random(r, tileRows*ldd)
		sums, fetch := make([]int32, panels*2*256), make([]byte, 1)
		for i := range sums {
			sums[i] = int32(r.Uint32()) >> 4
		}
		wantSums, want := slices.Clone(sums), slices.Clone(dst)
		channelTileGeneric(&want[0], ldd, &x[0], &xs[0], &w[0], ldw, &ws[0], &wantSums[0], &fetch[0], 0, blocks, panels, first, last)
		tileC8AMX(&dst[0], ldd, &x[0], &xs[0], &w[0], ldw, &ws[0], &sums[0], &fetch[0], 64, blocks, panels, first, last)
		if !slices.Equal(sums, wantSums) {
			t.Fatalf("%d blocks, %d panels, first %v: other sums", blocks, panels, first)
		}
		equalBits(t, fmt.Sprintf("%d blocks, %d panels, first %v, last %v", blocks, panels, first, last), dst, want)
	}
}

// channelTileGeneric is what a channelKernel computes.
func channelTileGeneric(dst *float32, ldd int, x *int16, xs *float32, w *byte, ldw int, ws *float32, sums *int32, _ *byte, _, blocks, panels int, first, last bool) {
	digits := asBytes(unsafe.Slice(x, tileRows*32*blocks))
	// Where the digits of a row's column are.
	place := func(row, c int) (high, low int) {
		from, columns := c&^63*2*tileRows, min(64, 32*blocks-c&^63)
		high = from + row*columns + c%64
		return high, high + tileRows*columns
	}
	out := unsafe.Slice(dst, (tileRows-1)*ldd+16*panels)
	scales, weights := unsafe.Slice(xs, 2*tileRows), unsafe.Slice(w, (panels-1)*ldw+512*blocks)
	all, rowScales := unsafe.Slice(sums, panels*2*256), unsafe.Slice(ws, 16*panels)
	for panel := range panels {
		for row := range tileRows {
			for n := range 16 {
				high, low := &all[panel*512+row*16+n], &all[panel*512+256+row*16+n]
				if first {
					*high, *low = 0, 0
				}
				for c := range 32 * blocks {
					weight := int32(weights[panel*ldw+c/4*64+n*4+c%4])
					h, l := place(row, c)
					*high += int32(int8(digits[h])) * weight
					*low += int32(int8(digits[l])) * weight
				}
				if last {
					sum := float64(*high)*256 + float64(*low) - 128*float64(int32(math.Float32bits(scales[2*row+1])))
					out[row*ldd+16*panel+n] = float32(sum * (float64(scales[2*row]) * float64(rowScales[16*panel+n])))
				}
			}
		}
	}
}
