package kernel

import (
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"jamba/internal/kernel/par"
	"jamba/tensor"
)

var storm = flag.Duration("storm", time.Second, "how long TestTileStorm goes on")

// TestTileStorm asserts that tiles stay whole while goroutines that are more than cores multiply, the collector runs
// without end, the stack is grown and signals arrive in the middle of products: go test -run TileStorm -storm 1m.
func TestTileStorm(t *testing.T) {
	needTiles(t)
	t.Run("one", func(t *testing.T) { tileStorm(t, 1) })
	t.Run("many", func(t *testing.T) { tileStorm(t, 2*runtime.NumCPU()) })
}

// tileStorm is TestTileStorm with so many threads that run Go code.
func tileStorm(t *testing.T, threads int) {
	defer par.SetThreads(0)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
	if err := pprof.StartCPUProfile(io.Discard); err == nil { // SIGPROF; another profile does as well
		defer pprof.StopCPUProfile()
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGUSR1)
	defer signal.Stop(signals)
	par.SetThreads(2)
	var stop atomic.Bool
	var calls atomic.Int64
	var workers sync.WaitGroup
	for i := range max(4, 3*runtime.NumCPU()) {
		r := rand.New(rand.NewPCG(91, uint64(i)))
		d := []tensor.DType{tensor.Q8_0, tensor.Q4_K, tensor.Q6_K, tensor.INT8}[i%4]
		m, n, k := 16+r.IntN(60), 50+r.IntN(300), 256*(1+r.IntN(5))
		plain, _ := randomMatrix(t, r, d, n, k)
		without, with := packedFor(&avx512VNNI, plain), packedFor(&amx, plain)
		x, want := random(r, m*k), make([]float32, m*n)
		MatMul(want, x, &without)
		workers.Go(func() {
			for !stop.Load() {
				got := make([]float32, m*n) // work for the collector
				deep(200, func() { MatMul(got, x, &with) })
				if !slices.Equal(got, want) {
					t.Errorf("%v [%d, %d]·[%d, %d]: other bits after %d products", d, m, k, n, k, calls.Load())
					stop.Store(true)
				}
				calls.Add(1)
				runtime.Gosched()
			}
		})
	}
	workers.Go(func() {
		for !stop.Load() {
			runtime.GC()
		}
	})
	workers.Go(func() {
		for sent := 0; !stop.Load(); sent++ {
			if err := unix.Kill(unix.Getpid(), unix.SIGUSR1); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(50 * time.Microsecond)
		}
	})
	for begin := time.Now(); time.Since(begin) < *storm && !stop.Load(); {
		time.Sleep(10 * time.Millisecond)
	}
	stop.Store(true)
	workers.Wait()
	t.Logf("%d products", calls.Load())
}

// deep calls f from so many frames further up the stack.
//
//go:noinline
func deep(n int, f func()) {
	var frame [64]byte
	if n == 0 {
		f()
		return
	}
	deep(n-1, f)
	runtime.KeepAlive(&frame)
}
