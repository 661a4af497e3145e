package kernel

import (
	"fmt"
	"slices"
	"sync/atomic"
	"unsafe"
)

// Cut is a place within a run of rows of one sequence: before row Row, which may be the one after the last, the state is
// written to To.
type Cut struct {
	Row int
	To  []float32
}

// Conv is a causal depthwise convolution of width W over the rows of one sequence, followed by SiLU:
// dst[t, e] = silu(bias[e] + Σ_j weight[j, e]·x[t-W+1+j, e]). (Mamba, Gu and Dao 2023, section 3.4.)
type Conv struct {
	Dst     []float32 // [L, E], written
	X       []float32 // L rows of E values, XStride apart
	XStride int
	Weight  []float32 // [W, E], row W-1 is for the current token
	Bias    []float32 // [E], or nil
	State   []float32 // [W-1, E], the inputs before the first row, oldest first; nil: zeroes
	Cuts    []Cut     // where the state is kept, [W-1, E] each; the last may be State itself
	Stream  bool      // write states past the caches: there are too many for them
	L, E, W int
}

// CausalConv runs convolutions of several sequences with the same channels, E, in one loop.
func CausalConv(seqs []Conv) {
	rows := 0
	for i := range seqs {
		c := &seqs[i]
		if len(c.Dst) != c.L*c.E || len(c.Weight) != c.W*c.E || c.State != nil && len(c.State) != (c.W-1)*c.E || c.Bias != nil && len(c.Bias) != c.E ||
			c.L > 0 && len(c.X) < (c.L-1)*c.XStride+c.E || c.E != seqs[0].E {
			panic(fmt.Sprintf("kernel: CausalConv with wrong shapes: L %d E %d W %d", c.L, c.E, c.W))
		}
		for _, cut := range c.Cuts {
			if cut.Row < 0 || cut.Row > c.L || len(cut.To) != (c.W-1)*c.E {
				panic(fmt.Sprintf("kernel: CausalConv of %d rows with a cut at row %d", c.L, cut.Row))
			}
		}
		if c.Bias == nil {
			c.Bias = zeroes(c.E)
		}
		rows += c.L * c.W
	}
	if rows > 0 {
		convLoops.run((seqs[0].E+convWidth-1)/convWidth, 1+grain/(rows*convWidth), convLoop{seqs})
	}
}

var noBias atomic.Pointer[[]float32]

// zeroes returns n zeroes, which are shared.
func zeroes(n int) []float32 {
	if z := noBias.Load(); z != nil && len(*z) >= n {
		return (*z)[:n]
	}
	z := make([]float32, n)
	noBias.Store(&z)
	return z
}

// convWidth is how many channels a thread takes at least: a line of the cache.
const convWidth = 16

type convLoop struct{ seqs []Conv }

var convLoops loops[convLoop, *convLoop]

// Range computes convWidth times the channels [lo, hi) of all sequences: every range is the same work, however long each of
// them is.
func (l *convLoop) Range(lo, hi int) {
	for i := range l.seqs {
		c := &l.seqs[i]
		first, end := lo*convWidth, min(hi*convWidth, c.E)
		active.conv(c, first, end)
		c.keep(first, end)
	}
	ordered()
}

// streams reports whether the tier can write lines from to[0] on past the caches.
func streams(to []float32) bool {
	return active.stream != nil && uintptr(unsafe.Pointer(unsafe.SliceData(to)))%64 == 0
}

// ordered orders what was written past the caches before what is stored later: the end of a loop.
func ordered() {
	if active.fence != nil {
		active.fence()
	}
}

// convGeneric computes the channels [lo, hi) of all rows.
func convGeneric(c *Conv, lo, hi int) {
	for t := 0; t < c.L && lo < hi; t++ {
		dst := c.Dst[t*c.E+lo : t*c.E+hi]
		if c.Bias != nil {
			copy(dst, c.Bias[lo:hi])
		} else {
			clear(dst)
		}
		for j := range c.W {
			w := c.Weight[j*c.E+lo : j*c.E+hi]
			for e, v := range c.input(t-c.W+1+j, lo, hi) {
				dst[e] += w[e] * v
			}
		}
		for e, v := range dst {
			dst[e] = silu(v)
		}
	}
}

// input returns the channels [lo, hi) of the input at time t; times before 0 are in the state.
func (c *Conv) input(t, lo, hi int) []float32 {
	if t < 0 {
		if c.State == nil {
			return zeroes(c.E)[lo:hi]
		}
		t += c.W - 1
		return c.State[t*c.E+lo : t*c.E+hi]
	}
	return c.X[t*c.XStride+lo : t*c.XStride+hi]
}

// keep writes the states of the cuts.
func (c *Conv) keep(lo, hi int) {
	for _, cut := range c.Cuts {
		// Ascending, so that a row of State is read before it is overwritten.
		for j := range c.W - 1 {
			to, from := cut.To[j*c.E+lo:j*c.E+hi], c.input(cut.Row-c.W+1+j, lo, hi)
			if c.Stream && len(to)%16 == 0 && streams(to) {
				active.stream(to, from)
			} else {
				copy(to, from)
			}
		}
	}
}

// ScanPanel is how many channels lie side by side in a scan's state and in A: [panels, S, ScanPanel], the last panel
// filled up. A panel's state is a few vectors that stay in the first cache, or in registers, over all rows.
const ScanPanel = 16

// ScanPanels returns the number of panels of e channels.
func ScanPanels(e int) int { return (e + ScanPanel - 1) / ScanPanel }

// Scan is the selective scan of one sequence: for every row t, channel e and state s
//
//	h[s, e] = exp(dt[t, e]·A[s, e])·h[s, e] + dt[t, e]·x[t, e]·B[t, s]
//	y[t, e] = (Σ_s h[s, e]·C[t, s] + D[e]·x[t, e])·silu(z[t, e])
//
// (Mamba, Gu and Dao 2023, algorithm 2, with zero-order hold for A and Euler's rule for B.)
type Scan struct {
	Y       []float32 // [L, E], written; may be X
	X       []float32 // [L, E]
	Dt      []float32 // [L, E], after softplus
	Z       []float32 // L rows of E values, ZStride apart: the gate
	ZStride int
	B, C    []float32 // [L, S]
	A       []float32 // [panels, S, ScanPanel], negative
	D       []float32 // [E]
	H       []float32 // [panels, S, ScanPanel], the state before row 0; nil: zeroes
	Cuts    []Cut     // where the state is kept, as H, ascending, the last at row L; the last may be H itself
	Stream  bool      // write states past the caches: there are too many for them
	L, E, S int
}

// SelectiveScan runs the scans of several sequences with the same channels, E, in one loop.
func SelectiveScan(seqs []Scan) {
	rows := 0
	for i := range seqs {
		seqs[i].check(seqs[0].E)
		rows += seqs[i].L * seqs[i].S
	}
	if rows > 0 {
		scanLoops.run(ScanPanels(seqs[0].E), 1+grain/(rows*ScanPanel), scanLoop{seqs})
	}
}

func (s *Scan) check(e int) {
	state := ScanPanels(s.E) * ScanPanel * s.S
	if len(s.Y) != s.L*s.E || len(s.X) != s.L*s.E || len(s.Dt) != s.L*s.E || len(s.B) != s.L*s.S || len(s.C) != s.L*s.S || s.E != e ||
		len(s.A) != state || len(s.D) != s.E || s.H != nil && len(s.H) != state || s.L > 0 && len(s.Z) < (s.L-1)*s.ZStride+s.E {
		panic(fmt.Sprintf("kernel: SelectiveScan with wrong shapes: L %d E %d S %d", s.L, s.E, s.S))
	}
	last := 0
	for _, cut := range s.Cuts {
		if cut.Row < last || cut.Row > s.L || len(cut.To) != state {
			panic(fmt.Sprintf("kernel: SelectiveScan of %d rows with a cut at row %d", s.L, cut.Row))
		}
		last = cut.Row
	}
	if last != s.L {
		panic(fmt.Sprintf("kernel: SelectiveScan of %d rows whose last state, after row %d, is lost", s.L, last))
	}
}

type scanLoop struct{ seqs []Scan }

var scanLoops loops[scanLoop, *scanLoop]

// Range computes the panels [lo, hi) of all sequences: every range is the same work, however long each of them is.
func (l *scanLoop) Range(lo, hi int) {
	memory := scratches.Get().(*[]float32)
	defer scratches.Put(memory)
	for i := range l.seqs {
		s := &l.seqs[i]
		*memory = slices.Grow((*memory)[:0], ScanPanel*s.S)[:ScanPanel*s.S]
		for p := lo; p < hi; p++ {
			l.fetch(i*(hi-lo)+p-lo+scanAhead, lo, hi)
			s.panel(p, *memory)
		}
	}
	ordered()
}

// scanAhead is how many panels ahead states are fetched: with one row for each sequence memory is what a scan waits for.
const scanAhead = 2

// fetch fetches the state of the n-th panel of all sequences' panels [lo, hi), one sequence after the other.
func (l *scanLoop) fetch(n, lo, hi int) {
	i, p := n/(hi-lo), lo+n%(hi-lo)
	if active.fetch == nil || i >= len(l.seqs) || l.seqs[i].H == nil {
		return
	}
	s := &l.seqs[i]
	active.fetch(s.H[p*ScanPanel*s.S : (p+1)*ScanPanel*s.S])
}

// panel computes a panel of all rows and writes it to the cuts: where its last state goes, or in memory h, which stays in the
// first cache, if there are more cuts, or if it goes past the caches.
func (s *Scan) panel(p int, h []float32) {
	lo, hi := p*ScanPanel*s.S, (p+1)*ScanPanel*s.S
	inPlace := len(s.Cuts) == 1 && !s.Stream
	if inPlace {
		h = s.Cuts[0].To[lo:hi]
	}
	if s.H == nil {
		clear(h)
	} else if &h[0] != &s.H[lo] {
		copy(h, s.H[lo:hi])
	}
	row := 0
	for _, cut := range s.Cuts {
		if cut.Row > row {
			active.scan(s, p, h, row, cut.Row)
			row = cut.Row
		}
		if to := cut.To[lo:hi]; s.Stream && streams(to) {
			active.stream(to, h)
		} else if !inPlace {
			copy(to, h)
		}
	}
}

// scanGeneric computes the rows [first, end) of panel p, whose state h [S, ScanPanel] it updates.
func scanGeneric(s *Scan, p int, state []float32, first, end int) {
	lo := p * ScanPanel
	n := min(ScanPanel, s.E-lo)
	var sum [ScanPanel]float32
	for t := first; t < end; t++ {
		x, dt := s.X[t*s.E+lo:t*s.E+lo+n], s.Dt[t*s.E+lo:t*s.E+lo+n]
		y := sum[:n]
		clear(y)
		for i := range s.S {
			b, c := s.B[t*s.S+i], s.C[t*s.S+i]
			at := (p*s.S + i) * ScanPanel
			h, a := state[i*ScanPanel:i*ScanPanel+n], s.A[at:at+n]
			for e, d := range dt {
				h[e] = exp(d*a[e])*h[e] + d*x[e]*b
				y[e] += h[e] * c
			}
		}
		z, out := s.Z[t*s.ZStride+lo:t*s.ZStride+lo+n], s.Y[t*s.E+lo:t*s.E+lo+n]
		for e, v := range y {
			out[e] = (v + s.D[lo+e]*x[e]) * silu(z[e])
		}
	}
}

// maxTaps is the widest convolution that kernels in assembly take.
const maxTaps = 8

// scanRows is how many rows a call of assembly takes: it has to end soon.
func scanRows(states int) int { return max(1, 1024/states) }
