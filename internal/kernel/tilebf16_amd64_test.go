package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"jamba/internal/kernel/par"
	"jamba/tensor"
)

// TestBF16Tiles compares products with weights of BF16 on tile units with sums in float64 of what the two numbers of BF16
// that an activation becomes stand for, and asserts that they have the same bits for any number of rows and threads.
func TestBF16Tiles(t *testing.T) {
	needTiles(t)
	defer par.SetThreads(0)
	defer func(old *table) { active = old }(active)
	active = &amx
	if active.packHalf == nil {
		t.Skip("not tested: this processor has no tiles of BF16")
	}
	r := rand.New(rand.NewPCG(85, 1))
	shapes := [][3]int{{1, 1, 32}, {70, 300, 1024}, {16, 16 * tileGroup, 2048}, {17, 16*tileGroup + 1, 96}, {200, 129, 64}}
	for _, m := range invariant(64) {
		shapes = append(shapes, [3]int{m, 1 + r.IntN(150), 32 * (1 + r.IntN(9))})
	}
	for _, s := range shapes {
		m, n, k := s[0], s[1], s[2]
		w, weights := randomMatrix(t, r, tensor.BF16, n, k)
		w.Pack(new(Slab))
		x, one, all := random(r, m*k), make([]float32, m*n), random(r, m*n) // to be overwritten
		x[r.IntN(len(x))] = math.MaxFloat32 / 1e5
		par.SetThreads(1)
		for i := range m {
			MatMul(one[i*n:(i+1)*n], x[i*k:(i+1)*k], &w)
		}
		par.SetThreads(1 + r.IntN(3))
		MatMul(all, x, &w)
		if !slices.Equal(one, all) {
			t.Fatalf("[%d, %d]·[%d, %d]: other bits than row by row", m, k, n, k)
		}
		for i := range m {
			for j := range n {
				var sum, scale float64
				for c := range k {
					v := float64(twoBF16(x[i*k+c])) * float64(weights[j*k+c])
					sum += v
					scale += math.Abs(v)
				}
				if e := math.Abs(float64(all[i*n+j]) - sum); !(e <= 2e-6*scale) {
					t.Fatalf("[%d, %d]·[%d, %d]: element %d, %d is %v, want %v", m, k, n, k, i, j, all[i*n+j], sum)
				}
			}
		}
	}
	// What is no number stays none.
	w, _ := randomMatrix(t, r, tensor.BF16, 20, 64)
	if w.Pack(new(Slab)) != nil || w.Raw() == nil || w.Integer() {
		t.Error("the weights are not where they were")
	}
	for _, bits := range []uint32{0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 0x7FFFFFFF, 0xFFFFFFFF} {
		x, got := random(r, 3*64), make([]float32, 3*20)
		x[64+7] = math.Float32frombits(bits)
		MatMul(got, x, &w)
		if !Finite(got[:20]) || !Finite(got[40:]) || slices.ContainsFunc(got[20:40], func(v float32) bool { return v-v == 0 }) {
			t.Errorf("%08x in the second of three rows gives %v", bits, got)
		}
	}
}

// twoBF16 is the sum of the two numbers of BF16 that x becomes.
func twoBF16(x float32) float32 {
	first := math.Float32frombits(math.Float32bits(x) &^ 0xFFFF)
	rest := math.Float32bits(x - first)
	rest = (rest + 0x7FFF + rest>>16&1) &^ 0xFFFF
	return first + math.Float32frombits(rest)
}
