package kernel

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"jamba/tensor"
)

// panelsOf writes matrices of one shape through a PanelWriter, some rows at a time.
func panelsOf(t *testing.T, rows, atOnce int, all ...Matrix) []byte {
	t.Helper()
	var out bytes.Buffer
	first := all[0]
	w, err := NewPanelWriter(&out, first.DType, rows, first.N, first.K)
	if err != nil {
		t.Fatal(err)
	}
	var plain []byte
	for _, m := range all {
		plain = append(plain, m.Raw()...)
	}
	for part := range slices.Chunk(plain, atOnce*first.size/first.N) {
		if n, err := w.Write(part); err != nil || n != len(part) {
			t.Fatal(n, err)
		}
	}
	return out.Bytes()
}

// TestPanels asserts that rows read back from panels are those of the blocks, bit for bit, whatever the blocks hold, that
// the panels are those that Pack makes, and that products with them are the same.
func TestPanels(t *testing.T) {
	for _, d := range dtypes {
		if !Packs(d) {
			continue
		}
		for _, rows := range []int{8, 16} {
			t.Run(fmt.Sprintf("%v/%d", d, rows), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(rows), uint64(d)))
				n, k := 1+r.IntN(40), max(32, d.BlockValues())*(1+r.IntN(4))
				a, _ := randomMatrix(t, r, d, n, k)
				b, _ := randomMatrix(t, r, d, n, k)
				for i := range b.Raw() { // scales, too
					b.Raw()[i] = byte(r.Uint32())
				}
				file := panelsOf(t, rows, 1+r.IntN(2*n), a, b)
				size, err := PanelBytes(d, rows, n, k)
				if err != nil || len(file) != 2*size || size%partAlignment != 0 {
					t.Fatalf("%d bytes, want twice %d (%v)", len(file), size, err)
				}
				for i, plain := range []Matrix{a, b} {
					w, err := FromPanels(d, rows, n, k, file[i*size:(i+1)*size])
					if err != nil {
						t.Fatal(err)
					}
					if w.Bytes() != plain.Bytes() {
						t.Errorf("%d bytes, want %d", w.Bytes(), plain.Bytes())
					}
					x := random(r, 3*k)
					equalProducts(t, "exact products", x, &w, &plain)
					if w.Pack(new(Slab)) != nil || (plain.Pack(new(Slab)) == nil) == packs(d) {
						t.Error("Pack returned the wrong bytes")
					}
					if !packs(d) || active.pack.rows != rows {
						if w.Integer() {
							t.Error("panels of another height are used")
						}
						continue
					}
					mapped, made := w.weights.(*packed), plain.weights.(*packed)
					if !bytes.Equal(mapped.memory, made.memory) {
						t.Error("other panels than Pack's")
					}
					if &mapped.memory[0] != &file[i*size] {
						t.Error("the panels were copied")
					}
					equalProducts(t, "products", x, &w, &plain)
					equalProducts(t, "rows after Pack", x, &Matrix{N: n, K: k, DType: d, weights: mapped.exact}, &Matrix{N: n, K: k, DType: d, weights: made.exact})
				}
			})
		}
	}
}

func equalProducts(t *testing.T, what string, x []float32, a, b *Matrix) {
	t.Helper()
	got, want := make([]float32, len(x)/a.K*a.N), make([]float32, len(x)/a.K*a.N)
	rowGot, rowWant := make([]float32, a.K), make([]float32, a.K)
	MatMul(got, x, a)
	MatMul(want, x, b)
	equalBits(t, what, got, want)
	if a.Integer() {
		return
	}
	for n := range a.N {
		a.Row(rowGot, n)
		b.Row(rowWant, n)
		equalBits(t, what+": row", rowGot, rowWant)
	}
}

// equalBits takes all NaN for the same.
func equalBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range got {
		nan := got[i] != got[i] && want[i] != want[i]
		if !nan && math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// TestPanelVersion asserts that the layout is that of PanelVersion: files hold it. Where a sum changes on purpose, so has
// the version to.
func TestPanelVersion(t *testing.T) {
	want := map[tensor.DType][2]string{
		tensor.Q8_0: {"dc858c418f7c0b8f", "3feb4ee5d1c9bba0"}, tensor.Q4_0: {"ad91e74b96c41f3e", "638053a3e07011c1"},
		tensor.Q4_1: {"d3c8a8f6aa54fcc4", "5b0d4faa55bf5d40"}, tensor.Q5_0: {"568c0e9e7dd51be7", "ff3d1e929e73e56a"},
		tensor.Q5_1: {"39ab5902dcb08cef", "9ddfa3aed09ea712"}, tensor.Q4_K: {"657efeed687d21f5", "623fd518e7306637"},
		tensor.Q5_K: {"f767ab8930b3a306", "3429d2b377160ad3"}, tensor.Q6_K: {"d00e638df5e325d1", "798647c73adba745"},
		tensor.INT8: {"8dd021c0bd402cc5", "9c8e1008f8418428"},
	}
	for d, sums := range want {
		for i, rows := range []int{8, 16} {
			size, _ := tensor.Size(d, []int{19, 512})
			data := make([]byte, size)
			for j := range data {
				data[j] = byte(j*j*7 + j>>3)
			}
			w, err := NewMatrix(tensor.Tensor{DType: d, Shape: []int{19, 512}, Data: data})
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%x", sha256.Sum256(panelsOf(t, rows, 19, w)))[:16]; got != sums[i] || PanelVersion != 3 {
				t.Errorf("%v in panels of %d rows has the sum %s, want %s; PanelVersion is %d", d, rows, got, sums[i], PanelVersion)
			}
		}
	}
}

func TestPanelErrors(t *testing.T) {
	for _, c := range []struct {
		d          tensor.DType
		rows, n, k int
		want       string
	}{
		{tensor.Q8_0, 4, 8, 32, "panels of 4 rows are not known; 8 and 16 are"},
		{tensor.Q8_0, 0, 8, 32, "panels of 0 rows"},
		{tensor.BF16, 8, 8, 32, "weights of type BF16 do not lie in panels"},
		{tensor.Invalid, 8, 8, 32, "do not lie in panels"},
		{tensor.Q4_K, 8, 8, 32, "no multiple of the Q4_K block"},
		{tensor.Q8_0, 8, 0, 32, "no panels of a matrix [0, 32]"},
		{tensor.INT8, 8, 8, 48, "no panels of rows of 48 values of type INT8: multiples of 32 up to 65536 are possible"},
		{tensor.INT8, 8, 8, maxRowScaled + 32, "no panels of rows of 65568"},
		{tensor.Q8_0, 8, 8, 0, "no panels of a matrix [8, 0]"},
		{tensor.Q8_0, 8, -1, 32, "no panels"},
		{tensor.Q8_0, 8, 8, -32, "a row of -32 values"},
		{tensor.Q8_0, 16, math.MaxInt / 64, 64, "no panels"},
		{tensor.Q8_0, 8, 1, math.MaxInt &^ 31, "overflows"},
		{tensor.Q8_0, 8, 1, 1 << 58, "no panels"},
	} {
		if _, err := PanelBytes(c.d, c.rows, c.n, c.k); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v", c, err)
		}
		if _, err := FromPanels(c.d, c.rows, c.n, c.k, nil); err == nil {
			t.Errorf("%+v: no error", c)
		}
		if _, err := NewPanelWriter(nil, c.d, c.rows, c.n, c.k); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
	size, err := PanelBytes(tensor.Q5_1, 8, 9, 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, size - 64, size - 1, size + 1, 2 * size} {
		if _, err := FromPanels(tensor.Q5_1, 8, 9, 64, make([]byte, n)); err == nil || !strings.Contains(err.Error(), "bytes of panels, want") {
			t.Errorf("%d bytes: error %v", n, err)
		}
	}
	w, err := NewPanelWriter(nil, tensor.Q8_0, 8, 9, 64)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 34)); err == nil || !strings.Contains(err.Error(), "34 bytes are no whole rows of 68") {
		t.Errorf("half a row: error %v", err)
	}
}
