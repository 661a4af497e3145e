package kernel

import (
	"fmt"
	"math"
	"slices"

	"jamba/internal/kernel/par"
)

// ScanChunk is how many rows of a scan the backward pass takes at a time. It keeps the state before each chunk and
// computes those within it again, so that memory grows with the number of chunks.
const ScanChunk = 32

// ScanBackward is the backward pass of SelectiveScan over several sequences that began with empty states. Of the Scan, it
// reads X, Dt, Z, B, C, A and D of all rows.
type ScanBackward struct {
	Scan
	Ends   []int       // the row after the last of each sequence, ascending
	States [][]float32 // the state before every ScanChunk rows of each sequence, each [panels, S, ScanPanel]
	DY     []float32   // [L, E], the gradient of Y

	// The gradients, written.
	DX     []float32 // [L, E]
	DDt    []float32 // [L, E], of dt before softplus
	DZ     []float32 // L rows of E values, ZStride apart
	DB, DC []float32 // [L, S]

	// The gradients of weights, added to.
	DA []float32 // [panels, S, ScanPanel]
	DD []float32 // [E]
}

// scanGroups is into how many groups the panels are split at most. DB and DC are sums over all channels: within a group
// in the order of the panels, then over the groups; so they do not depend on the number of threads.
const scanGroups = 16

// Run runs s.
func (s *ScanBackward) Run() {
	panels := ScanPanels(s.E)
	chunks, last := 0, 0
	for _, end := range s.Ends {
		chunks += (end - last + ScanChunk - 1) / ScanChunk
		last = end
	}
	if state := panels * ScanPanel * s.S; last != s.L || len(s.States) != chunks || len(s.DY) != s.L*s.E || len(s.DX) != s.L*s.E || len(s.DDt) != s.L*s.E ||
		len(s.DB) != s.L*s.S || len(s.DC) != s.L*s.S || len(s.DA) != state || len(s.DD) != s.E || s.L > 0 && len(s.DZ) < (s.L-1)*s.ZStride+s.E {
		panic(fmt.Sprintf("kernel: ScanBackward with wrong shapes: L %d E %d S %d, %d states", s.L, s.E, s.S, len(s.States)))
	}
	per := (panels + scanGroups - 1) / scanGroups
	groups := (panels + per - 1) / per
	sums := scratches.Get().(*[]float32)
	defer scratches.Put(sums)
	size := 2 * s.L * s.S // DB and DC of a group
	*sums = slices.Grow((*sums)[:0], groups*size)[:groups*size]
	par.For(groups, 1, func(lo, hi int) {
		for g := lo; g < hi; g++ {
			s.group(g*per, min((g+1)*per, panels), (*sums)[g*size:(g+1)*size])
		}
	})
	par.For(s.L, 1+grain/(groups*s.S), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			b, c := s.DB[i*s.S:(i+1)*s.S], s.DC[i*s.S:(i+1)*s.S]
			clear(b)
			clear(c)
			for g := range groups {
				for n, v := range (*sums)[g*size+2*i*s.S : g*size+2*(i+1)*s.S] {
					if n%2 == 0 {
						b[n/2] += v
					} else {
						c[n/2] += v
					}
				}
			}
		}
	})
}

// scanWork is the working memory of a panel's chunk.
type scanWork struct {
	states [(ScanChunk + 1)][]float32 // [S, ScanPanel] each: before the chunk, and after each of its rows
	decays [ScanChunk][]float32       // [S, ScanPanel] each: exp(dt·A)
	sums   [ScanChunk * ScanPanel]float32
	// lanes holds for each row and state eight partial sums of DB, then of DC: of the channels i and i+8 of each panel.
	lanes []float32 // [ScanChunk, S, 2, 8]
	dh    []float32 // [S, ScanPanel], the gradient of the state after the row at hand, from the rows behind it
}

// scanLanes is how many partial sums a lane of DB or DC has.
const scanLanes = ScanPanel / 2

// group computes the panels [first, end) of all sequences. sums [L, S, 2] is DB and DC of the group.
func (s *ScanBackward) group(first, end int, sums []float32) {
	state := s.S * ScanPanel
	memory := scratches.Get().(*[]float32)
	defer scratches.Put(memory)
	size := (2*ScanChunk+1+end-first)*state + ScanChunk*s.S*2*scanLanes
	*memory = slices.Grow((*memory)[:0], size)[:size]
	rest := *memory
	take := func(n int) []float32 {
		part := rest[:n]
		rest = rest[n:]
		return part
	}
	var w scanWork
	for i := range w.states {
		w.states[i] = take(state)
	}
	for i := range w.decays {
		w.decays[i] = take(state)
	}
	w.lanes = take(ScanChunk * s.S * 2 * scanLanes)
	dh := take((end - first) * state)

	chunk, begin := 0, 0
	for _, stop := range s.Ends {
		clear(dh)
		count := (stop - begin + ScanChunk - 1) / ScanChunk
		for i := count - 1; i >= 0; i-- {
			lo := begin + i*ScanChunk
			hi := min(lo+ScanChunk, stop)
			clear(w.lanes)
			for p := first; p < end; p++ {
				copy(w.states[0], s.States[chunk+i][p*state:(p+1)*state])
				w.dh = dh[(p-first)*state : (p-first+1)*state]
				active.scanBackward(s, &w, p, lo, hi)
			}
			active.sumLanes(sums[2*lo*s.S:2*hi*s.S], w.lanes)
		}
		chunk, begin = chunk+count, stop
	}
}

// scanBackwardGeneric computes the rows [lo, hi) of panel p, a chunk, from the last to the first.
func scanBackwardGeneric(s *ScanBackward, w *scanWork, p, lo, hi int) {
	at := p * ScanPanel
	n := min(ScanPanel, s.E-at)
	a, da := s.A[at*s.S:(at+ScanPanel)*s.S], s.DA[at*s.S:(at+ScanPanel)*s.S]
	for t := lo; t < hi; t++ {
		x, dt := s.X[t*s.E+at:t*s.E+at+n], s.Dt[t*s.E+at:t*s.E+at+n]
		before, after, decay := w.states[t-lo], w.states[t-lo+1], w.decays[t-lo]
		y := w.sums[(t-lo)*ScanPanel:]
		clear(y[:n])
		for i := range s.S {
			b, c := s.B[t*s.S+i], s.C[t*s.S+i]
			for e, d := range dt {
				j := i*ScanPanel + e
				decay[j] = exp(d * a[j])
				after[j] = decay[j]*before[j] + d*x[e]*b
				y[e] += after[j] * c
			}
		}
	}
	for t := hi - 1; t >= lo; t-- {
		x, dt, dy := s.X[t*s.E+at:t*s.E+at+n], s.Dt[t*s.E+at:t*s.E+at+n], s.DY[t*s.E+at:t*s.E+at+n]
		z, dz := s.Z[t*s.ZStride+at:t*s.ZStride+at+n], s.DZ[t*s.ZStride+at:t*s.ZStride+at+n]
		before, after, decay := w.states[t-lo], w.states[t-lo+1], w.decays[t-lo]
		var dsum, sumB, sumA [ScanPanel]float32
		for e, v := range z {
			sigma := 1 / (1 + exp(-v))
			y := w.sums[(t-lo)*ScanPanel+e] + s.D[at+e]*x[e]
			dsum[e] = dy[e] * v * sigma
			dz[e] = dy[e] * y * (sigma + v*sigma*(1-sigma))
			s.DD[at+e] += dsum[e] * x[e]
		}
		for i := range s.S {
			b, c := s.B[t*s.S+i], s.C[t*s.S+i]
			lanes := w.lanes[((t-lo)*s.S+i)*2*scanLanes:]
			for e, d := range dt {
				j := i*ScanPanel + e
				dh := w.dh[j] + dsum[e]*c
				lanes[e%scanLanes] += dh * d * x[e]
				lanes[scanLanes+e%scanLanes] += dsum[e] * after[j]
				sumB[e] += dh * b
				dh *= decay[j]
				w.dh[j] = dh
				dh *= before[j]
				sumA[e] += dh * a[j]
				da[j] += dh * d
			}
		}
		dx, ddt := s.DX[t*s.E+at:t*s.E+at+n], s.DDt[t*s.E+at:t*s.E+at+n]
		for e, d := range dt {
			dx[e] = d*sumB[e] + s.D[at+e]*dsum[e]
			// The derivative of softplus is 1-exp(-softplus).
			ddt[e] = (sumA[e] + x[e]*sumB[e]) * -float32(math.Expm1(-float64(d)))
		}
	}
}

func sumLanesGeneric(dst, lanes []float32) {
	for i := range dst {
		var sum float32
		for _, v := range lanes[i*scanLanes : (i+1)*scanLanes] {
			sum += v
		}
		dst[i] = sum
	}
}
