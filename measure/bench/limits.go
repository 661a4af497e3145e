// Package bench measures how fast a model runs, and how near that is to what the machine can do.
package bench

import (
	"time"

	"jamba/kernel"
	"jamba/kernel/par"
)

// Limits are what this machine reaches at this moment with the threads in use.
type Limits struct {
	Threads   int     `json:"threads"`
	ReadBytes float64 `json:"read_bytes_per_s"` // from memory
	F32MACs   float64 `json:"f32_macs_per_s"`
	I8MACs    float64 `json:"i8_macs_per_s"` // as products with quantized weights do them; 0: the kernels have none
}

// MeasureLimits takes about a second.
func MeasureLimits() Limits {
	l := Limits{Threads: par.Threads()}
	memory := make([]byte, 512<<20)
	for i := 0; i < len(memory); i += 1 << 12 {
		memory[i] = 1 // written, so that the pages are there
	}
	l.ReadBytes = best(func() float64 {
		par.For(par.Threads(), 1, func(lo, hi int) {
			part := len(memory) / par.Threads()
			kernel.Read(memory[lo*part : hi*part])
		})
		return float64(len(memory))
	})
	peak := func(loop func(n int) int) float64 {
		return best(func() float64 {
			done := make([]int, par.Threads())
			par.For(par.Threads(), 1, func(lo, hi int) {
				for i := lo; i < hi; i++ {
					done[i] = loop(1 << 28)
				}
			})
			total := 0
			for _, n := range done {
				total += n
			}
			return float64(total)
		})
	}
	l.F32MACs = peak(kernel.PeakF32)
	l.I8MACs = peak(kernel.PeakI8)
	return l
}

// best returns the highest rate of ten runs.
func best(run func() float64) float64 {
	rate := 0.0
	for range 10 {
		start := time.Now()
		n := run()
		rate = max(rate, n/time.Since(start).Seconds())
	}
	return rate
}
