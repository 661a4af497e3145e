package state

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"jamba/tensor"
)

func TestWindowReleasesPages(t *testing.T) {
	for _, d := range []tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0} {
		t.Run(d.String(), func(t *testing.T) { windowReleasesPages(t, d) })
	}
}

func windowReleasesPages(t *testing.T, d tensor.DType) {
	const window = 300
	specs := []Spec{{KVHeads: 2, HeadDim: 3, Window: window, DType: d}}
	s := New(specs)
	kv := s.Layers[0].KV
	for pos := range 2000 {
		k, v := make([]float32, 6), make([]float32, 6)
		for i := range k {
			k[i], v[i] = float32(pos+i), float32(-pos-i) // whole numbers that half floats hold
		}
		if err := kv.Store(pos, k, v); err != nil {
			t.Fatal(err)
		}
		kv.Release(pos + 1)
		held := 0
		for _, p := range kv.Pages() {
			held += 4*len(p.K) + 4*len(p.V) + len(p.RawK) + len(p.RawV)
		}
		if bound := Bytes(specs, pos+1); int64(held) > bound {
			t.Fatalf("position %d: %d bytes held, more than the %d foreseen", pos, held, bound)
		}
		// All that the next token sees is there.
		for p := max(0, pos+1-window+1); p <= pos; p += 37 {
			k, v := kv.At(p, 1)
			off := 0.0
			if d == tensor.Q8_0 {
				off = float64(p+5) * (1.0/254 + 0x1p-12) // half a step, and the scale's rounding
			}
			if math.Abs(float64(k[2])-float64(p+5)) > off || math.Abs(float64(v[0])+float64(p+3)) > off {
				t.Fatalf("position %d: key %v value %v of position %d", pos, k, v, p)
			}
		}
	}
}

// TestStoreLimits stores the largest values that round to finite ones, and the next.
func TestStoreLimits(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, test := range []struct {
		d               tensor.DType
		finite, tooMuch float32
		want            string
	}{
		{tensor.F32, math.MaxFloat32, inf, ""}, // what is infinite is found after the layer
		{tensor.F16, 65519, 65520, "a key or value of 6.55e+04 is more than F16 holds"},
		{tensor.Q8_0, 127 * 65519, 127 * 65520, "a key or value of 8.32e+06 is more than Q8_0 holds"},
		{tensor.Q8_0, 0, inf, "a key or value is infinite or NaN"},
		{tensor.Q8_0, 0, float32(math.NaN()), "a key or value is infinite or NaN"},
	} {
		for i := range 3 {
			kv := New([]Spec{{KVHeads: 1, HeadDim: 3, DType: test.d}}).Layers[0].KV
			x, zero := make([]float32, 3), make([]float32, 3)
			x[i] = -test.finite
			if err := kv.Store(0, x, x); err != nil {
				t.Errorf("%v: %v: %v", test.d, x, err)
			}
			if k, _ := kv.At(0, 0); math.Abs(float64(k[i]-x[i])) > 1e-3*float64(test.finite) || math.IsInf(float64(k[i]), 0) {
				t.Errorf("%v: %v comes back as %v", test.d, x, k)
			}
			x[i] = -test.tooMuch
			for _, err := range []error{kv.Store(0, x, zero), kv.Store(0, zero, x)} {
				if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
					t.Errorf("%v: %v: error %v, want %q", test.d, x, err, test.want)
				}
			}
		}
	}
}

func TestCloneSharesNothing(t *testing.T) {
	for _, d := range []tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0} {
		t.Run(d.String(), func(t *testing.T) { cloneSharesNothing(t, d) })
	}
}

func cloneSharesNothing(t *testing.T, d tensor.DType) {
	s := New([]Spec{{KVHeads: 1, HeadDim: 2, DType: d}, {DInner: 3, DState: 2, DConv: 4}})
	// Numbers that all types hold: the largest of a block is 127 times a power of two.
	if err := s.Layers[0].KV.Store(0, []float32{1, 127}, []float32{-127, 4}); err != nil {
		t.Fatal(err)
	}
	s.Layers[1].SSM.H[0] = 5
	s.Advance(1)
	c := s.Clone()
	if err := s.Layers[0].KV.Store(0, []float32{9, 9}, []float32{9, 9}); err != nil {
		t.Fatal(err)
	}
	s.Layers[1].SSM.H[0] = 9
	s.Break()
	k, v := c.Layers[0].KV.At(0, 0)
	if !slices.Equal(k, []float32{1, 127}) || !slices.Equal(v, []float32{-127, 4}) || c.Layers[1].SSM.H[0] != 5 || c.Pos() != 1 || c.Broken() {
		t.Errorf("the clone changed with the original: %v %v %v", k, v, c.Layers[1].SSM.H)
	}
	s.Reset()
	if s.Pos() != 0 || s.Broken() || s.Layers[1].SSM.H[0] != 0 || len(s.Layers[0].KV.Pages()) != 0 {
		t.Error("reset left something")
	}
}

func TestFill(t *testing.T) {
	s := New([]Spec{{KVHeads: 1, HeadDim: 2, DType: tensor.F32}, {DInner: 3, DState: 2, DConv: 4}})
	kv, r := s.Layers[0].KV, rand.New(rand.NewPCG(1, 2))
	s.Fill(600, r)
	if s.Pos() != 600 || len(kv.Pages()) != 3 || s.Layers[1].SSM.H[0] == 0 || s.Layers[1].SSM.Conv[8] == 0 {
		t.Fatalf("position %d, %d pages", s.Pos(), len(kv.Pages()))
	}
	for _, pos := range []int{0, 255, 256, 599} {
		if k, v := kv.At(pos, 0); k[0] == 0 || v[1] == 0 {
			t.Errorf("position %d is empty", pos)
		}
	}
	// Again, less deep: the pages stay, less those behind.
	first := &kv.Pages()[0].K[0]
	s.Break()
	s.Fill(300, r)
	if s.Pos() != 300 || s.Broken() || len(kv.Pages()) != 2 || first != &kv.Pages()[0].K[0] {
		t.Errorf("position %d, %d pages", s.Pos(), len(kv.Pages()))
	}
	if kv.pages[:3][2].K != nil {
		t.Error("the third page is kept")
	}
}

// TestFillWindow asserts that what the next token sees is there.
func TestFillWindow(t *testing.T) {
	s := New([]Spec{{KVHeads: 1, HeadDim: 2, Window: 7, DType: tensor.F32}})
	s.Fill(257, rand.New(rand.NewPCG(1, 2)))
	for pos := 257 - 6; pos < 257; pos++ {
		if k, _ := s.Layers[0].KV.At(pos, 0); k[0] == 0 {
			t.Errorf("position %d is empty", pos)
		}
	}
}

// TestBytes uses Jamba v0.1's layout: 4 attention layers of 8 heads of 128, 28 Mamba layers of 8192 channels.
func TestBytes(t *testing.T) {
	specs := slices.Repeat([]Spec{{KVHeads: 8, HeadDim: 128, DType: tensor.F32}}, 4)
	specs = append(specs, slices.Repeat([]Spec{{DInner: 8192, DState: 16, DConv: 4}}, 28)...)
	const mamba = 28 * 8192 * (3 + 16) * 4
	if got := Bytes(specs, 0); got != mamba {
		t.Errorf("empty sequence: %d bytes, want %d", got, mamba)
	}
	// 256K tokens: 8 GiB in float32, and in half floats the 4 GiB of the Jamba paper's table 1.
	if got := Bytes(specs, 256<<10); got != mamba+8<<30 {
		t.Errorf("256K tokens: %d bytes, want %d", got-mamba, int64(8)<<30)
	}
	for d, want := range map[tensor.DType]int64{tensor.F16: 4 << 30, tensor.Q8_0: 34 << 26} {
		for i := range 4 {
			specs[i].DType = d
		}
		if got := Bytes(specs, 256<<10); got != mamba+want {
			t.Errorf("256K tokens in %v: %d bytes, want %d", d, got-mamba, want)
		}
	}
	// A head of 80 values has three blocks of 34 bytes.
	if got := (Spec{KVHeads: 3, HeadDim: 80, DType: tensor.Q8_0}).KVBytes(); got != 2*3*3*34 {
		t.Errorf("3 heads of 80 take %d bytes", got)
	}
}

func TestFits(t *testing.T) {
	defer func(f func() (int64, bool)) { available = f }(available)
	specs := slices.Repeat([]Spec{{KVHeads: 8, HeadDim: 128, DType: tensor.F32}}, 4)
	available = func() (int64, bool) { return 1 << 30, true }
	if err := Fits(specs, 0, 1000); err != nil {
		t.Error(err)
	}
	err := Fits(specs, 0, 256<<10)
	if err == nil || !strings.HasPrefix(err.Error(), "a context of 262144 tokens needs 8.0 GiB of memory, 1.0 GiB are free; shorten the prompt") {
		t.Error(err)
	}
	if err := Fits(specs, 250<<10, 256<<10); err != nil {
		t.Errorf("growing by a little: %v", err)
	}
	// A batch has pages and Mamba states for each sequence: 4 of 200 tokens take 4 pages in each layer, not those of a
	// sequence of 800.
	specs = append(specs, Spec{DInner: 1 << 20, DState: 16, DConv: 4})
	const each = 4*256*2*8*128*4 + 19<<22
	available = func() (int64, bool) { return 4 * each, true }
	if err := FitsBatch(specs, 4, 200); err != nil {
		t.Error(err)
	}
	available = func() (int64, bool) { return 4*each - 1, true }
	err = FitsBatch(specs, 4, 200)
	if err == nil || !strings.HasPrefix(err.Error(), "4 contexts of 200 tokens need 0.3 GiB of memory, 0.3 GiB are free") {
		t.Error(err)
	}
	// The largest settings and numbers do not overflow.
	specs = slices.Repeat([]Spec{{KVHeads: 1 << 20, HeadDim: 1 << 20, DType: tensor.F32}}, 3)
	if got := Bytes(specs, math.MaxInt); got != math.MaxInt64 {
		t.Errorf("%d bytes", got)
	}
	if times(1<<32, 1<<31) != math.MaxInt64 || times(1<<31, 1<<31) != 1<<62 {
		t.Error("products beyond 63 bits")
	}
	if FitsBatch(specs, 1<<30, 1<<31) == nil || FitsBatch([]Spec{{KVHeads: 1, HeadDim: 1, DType: tensor.F32}}, math.MaxInt, math.MaxInt) == nil {
		t.Error("no machine has so much memory")
	}
	available = func() (int64, bool) { return 0, false }
	if err := Fits(specs, 0, 256<<10); err != nil {
		t.Errorf("unknown memory: %v", err)
	}
}
