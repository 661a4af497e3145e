// Package bench measures how fast a model runs, and how near that is to what the machine can do.
package bench

import (
	"context"
	"time"

	"jamba/internal/kernel"
	"jamba/internal/kernel/par"
)

// Limits are what this machine reaches at this moment with the threads in use.
type Limits struct {
	Threads   int     `json:"threads"`
	ReadBytes float64 `json:"read_bytes_per_s"` // from memory
	F32MACs   float64 `json:"f32_macs_per_s"`   // multiply-adds
	I8MACs    float64 `json:"i8_macs_per_s"`    // as products with quantized weights do them; 0: the kernels have none
	// Of tile units, which products use in several passes.
	TileI8MACs   float64 `json:"tile_i8_macs_per_s,omitempty"`
	TileBF16MACs float64 `json:"tile_bf16_macs_per_s,omitempty"`
}

// MeasureLimits takes about a second. It stops early with ctx's error when ctx ends.
func MeasureLimits(ctx context.Context) (Limits, error) {
	l := Limits{Threads: par.Threads()}
	memory, free, err := allocate(512 << 20)
	if err != nil {
		return l, err
	}
	defer free()
	kernel.HugePages(memory) // as weights have them
	for i := 0; i < len(memory); i += 1 << 12 {
		memory[i] = 1 // written, so that the pages are there
	}
	l.ReadBytes = best(ctx, func() float64 {
		par.For(par.Threads(), 1, func(lo, hi int) {
			part := len(memory) / par.Threads()
			kernel.Read(memory[lo*part : hi*part])
		})
		return float64(len(memory))
	})
	peak := func(loop func(n int) int) float64 {
		return best(ctx, func() float64 {
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
	l.TileI8MACs = peak(kernel.PeakTileI8)
	l.TileBF16MACs = peak(kernel.PeakTileBF16)
	return l, ctx.Err()
}

// best returns the highest rate of ten runs, fewer if ctx ends.
func best(ctx context.Context, run func() float64) float64 {
	rate := 0.0
	for i := 0; i < 10 && ctx.Err() == nil; i++ {
		start := time.Now()
		n := run()
		rate = max(rate, n/time.Since(start).Seconds())
	}
	return rate
}
