package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"jamba/internal/kernel/par"
	"jamba/tensor"
)

// TestCoded asserts that weights of BF16 in 12 bits have the bits of those in 16, in each row and in products of few and of many rows,
// with any number of threads, whatever the weights are.
func TestCoded(t *testing.T) {
	if active.coded == nil {
		t.Skip("these kernels have none")
	}
	defer par.SetThreads(0)
	r := rand.New(rand.NewPCG(12, 16))
	sizes := [][2]int{{1, 128}, {7, kBlock + 256}, {50, 384}}
	if !testing.Short() {
		sizes = append(sizes, [2]int{50, 1024}, [2]int{50, kBlock + 256}, [2]int{1, codedSpan + kBlock + 128}, [2]int{7, codedSpan + kBlock + 128})
	}
	for _, size := range sizes {
		n, k := size[0], size[1]
		for _, strays := range []int{0, 1, n * k / 1000} {
			data := make([]byte, 2*n*k)
			for i := 0; i < len(data); i += 2 {
				v := float32(r.NormFloat64()) * 0.02
				binary.LittleEndian.PutUint16(data[i:], uint16(math.Float32bits(v)>>16))
			}
			for range strays { // of any size, infinities and NaN among them
				binary.LittleEndian.PutUint16(data[2*r.IntN(n*k):], uint16(r.Uint32()))
			}
			testCoded(t, r, data, n, k)
		}
	}
}

func testCoded(t *testing.T, r *rand.Rand, data []byte, n, k int) {
	t.Helper()
	plain, err := NewMatrix(tensor.Tensor{Name: "w", DType: tensor.BF16, Shape: []int{n, k}, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	moved := plain
	left := moved.Code(new(Slab))
	if len(left) != len(data) || &left[0] != &data[0] || moved.InPlace() != 0 {
		t.Fatalf("[%d, %d] was not coded", n, k)
	}
	got, want := make([]float32, k), make([]float32, k)
	for i := range n {
		plain.Row(want, i)
		moved.Row(got, i)
		equalBits(t, fmt.Sprintf("row %d of [%d, %d]", i, n, k), got, want)
	}
	for _, threads := range []int{1, 3} {
		par.SetThreads(threads)
		for _, m := range invariant(64) {
			x := random(r, m*k)
			got, want := make([]float32, m*n), make([]float32, m*n)
			MatMul(want, x, &plain)
			MatMul(got, x, &moved)
			equalBits(t, fmt.Sprintf("%d rows by [%d, %d], %d threads", m, n, k, threads), got, want)
		}
	}
	x := random(r, 3*n)
	got, want = make([]float32, 3*k), make([]float32, 3*k)
	plain.Product(want, x, false)
	moved.Product(got, x, false)
	equalBits(t, fmt.Sprintf("product with the transposed [%d, %d]", n, k), got, want)
}
