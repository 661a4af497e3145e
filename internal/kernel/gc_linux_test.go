package kernel

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"jamba/internal/kernel/par"
	"jamba/tensor"
)

// TestCollectorIsNotHeldUp asserts that kernels which follow each other without end let the garbage collector stop the
// world: assembly cannot be stopped itself, so each of its calls has to be short.
func TestCollectorIsNotHeldUp(t *testing.T) {
	if testing.Short() {
		t.Skip("an emulated processor takes longer")
	}
	par.SetThreads(1)
	defer par.SetThreads(0)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	r := rand.New(rand.NewPCG(31, 32))
	product := func(d tensor.DType, n, k, m int, pack bool) func() func() {
		w, _ := randomMatrix(t, r, d, n, k)
		if pack {
			w.Pack(new(Slab))
		}
		x := random(r, m*k)
		return func() func() {
			dst := make([]float32, m*n)
			return func() { MatMul(dst, x, &w) }
		}
	}
	elements := func(n int, f func(x []float32)) func() func() {
		return func() func() {
			x := make([]float32, n)
			return func() { f(x) }
		}
	}
	ones := make([]float32, 1<<18)
	for _, test := range []struct {
		name string
		loop func() func() // makes what one goroutine repeats
	}{
		{"MatMul F32", product(tensor.F32, 100, 1<<14, 16, false)},
		{"MatMul BF16", product(tensor.BF16, 100, 1<<14, 16, false)},
		{"MatMul Q4_K", product(tensor.Q4_K, 100, 1<<14, 16, false)},
		{"MatMul of packed Q8_0", product(tensor.Q8_0, 100, 1<<14, 16, true)},
		{"MatMul of many rows by packed Q4_K", product(tensor.Q4_K, 1<<10, 512, 192, true)},
		{"MatMul of many rows by packed Q8_0", product(tensor.Q8_0, 1<<10, 1<<10, 192, true)},
		{"MatMul of packed Q6_K", product(tensor.Q6_K, 100, 1<<14, 16, true)},
		{"Quantize to Q2_K", func() func() {
			dst, x := make([]byte, 84<<6), random(r, 256<<6)
			return func() {
				if err := Quantize(dst, tensor.Q2_K, x); err != nil {
					t.Error(err)
				}
			}
		}},
		{"SiLUMul", elements(1<<20, func(x []float32) { SiLUMul(x, x) })},
		{"Softplus", elements(1<<20, Softplus)},
		{"RMSNorm", elements(len(ones), func(x []float32) { RMSNorm(x, x, ones, 1) })},
		{"Read", elements(1<<22, func(x []float32) { Read(asBytes(x)) })},
		{"PeakF32", func() func() { return func() { PeakF32(1 << 26) } }},
		{"CausalConv", func() func() {
			const l, e, w = 64, 1 << 14, 4
			c := Conv{
				Dst: make([]float32, l*e), X: make([]float32, l*e), XStride: e, Weight: make([]float32, w*e), State: make([]float32, (w-1)*e),
				L: l, E: e, W: w,
			}
			c.Cuts = []Cut{{l, c.State}}
			return func() { CausalConv([]Conv{c}) }
		}},
		{"SelectiveScan", func() func() {
			const l, e, s = 1024, 32, 256
			sc := Scan{
				Y: make([]float32, l*e), X: make([]float32, l*e), Dt: make([]float32, l*e), Z: make([]float32, l*e), ZStride: e,
				B: make([]float32, l*s), C: make([]float32, l*s), A: make([]float32, e*s), D: make([]float32, e), H: make([]float32, e*s),
				L: l, E: e, S: s,
			}
			sc.Cuts = []Cut{{l, sc.H}}
			return func() { SelectiveScan([]Scan{sc}) }
		}},
		{"Attend", func() func() {
			const pages, heads, d = 16, 8, 128
			a := Attention{Q: random(r, 4*heads*d), DType: tensor.F32, Start: pages*PageLen - 4, Scale: 0.1, M: 4, H: heads, G: 1, D: d}
			a.Dst = make([]float32, len(a.Q))
			for range pages {
				a.Pages = append(a.Pages, Page{K: make([]float32, PageLen*d), V: make([]float32, PageLen*d)})
			}
			return func() { Attend([]Attention{a}) }
		}},
		{"Attend of one row to F16", func() func() {
			const pages, heads, d = 64, 4, 64
			a := Attention{Q: random(r, heads*d), DType: tensor.F16, Start: pages*PageLen - 1, Scale: 0.1, M: 1, H: heads, G: 1, D: d}
			a.Dst = make([]float32, len(a.Q))
			for range pages {
				a.Pages = append(a.Pages, Page{RawK: make([]byte, PageLen*d*2), RawV: make([]byte, PageLen*d*2)})
			}
			return func() { Attend([]Attention{a}) }
		}},
		{"Attend to Q8_0", func() func() {
			const pages, heads, d = 16, 8, 128
			a := Attention{Q: random(r, 4*heads*d), DType: tensor.Q8_0, Start: pages*PageLen - 4, Scale: 0.1, M: 4, H: heads, G: 1, D: d}
			a.Dst = make([]float32, len(a.Q))
			for range pages {
				a.Pages = append(a.Pages, Page{RawK: make([]byte, PageLen*d/32*34), RawV: make([]byte, PageLen*d/32*34)})
			}
			return func() { Attend([]Attention{a}) }
		}},
	} {
		var stop atomic.Bool
		var workers, started sync.WaitGroup
		for range 2 {
			work := test.loop()
			started.Add(1)
			workers.Go(func() {
				work()
				started.Done()
				for !stop.Load() {
					work()
				}
			})
		}
		started.Wait()
		// What the kernels go on computing while the collection waits for them, not how long it takes: others may be at
		// work on this machine. The least of several: what starves a collection starves all.
		least := time.Hour
		for range 10 {
			before := processTime(t)
			runtime.GC()
			least = min(least, processTime(t)-before)
		}
		stop.Store(true)
		workers.Wait()
		t.Logf("%s: %v", test.name, least)
		if least > 2*50*time.Millisecond {
			t.Errorf("while %s runs in two goroutines, no collection takes less than %v of the cores", test.name, least)
		}
	}
}

// processTime returns how long this process has computed, on all cores.
func processTime(t *testing.T) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
