package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"jamba/kernel/par"
	"jamba/kernel/quant"
	"jamba/tensor"
)

// PageLen is the number of positions in one page of a K/V cache, and the length of the tiles that attention walks:
// tiles lie at absolute positions, so that the order of sums does not depend on how a sequence came in.
const PageLen = 256

// Page is PageLen positions of keys and values of one layer, each [G, PageLen, D], as float32 or as half floats (F16).
type Page struct {
	K, V         []float32
	HalfK, HalfV []byte
}

// NarrowF16 rounds src to half floats, to the nearest; what is too large becomes infinite.
func NarrowF16(dst []byte, src []float32) {
	whole := 0
	if active.narrow != nil && len(src) >= 8 {
		whole = len(src) &^ 7
		active.narrow(dst[:2*whole], src[:whole])
	}
	for i, v := range src[whole:] {
		binary.LittleEndian.PutUint16(dst[2*(whole+i):], quant.F32ToF16(v))
	}
}

// Attention is causal attention of M new rows of one sequence over its pages, which already hold the rows' own keys and
// values. Query head h reads key/value head h/(H/G). Softmax is online, tile by tile (Milakov and Gimelshein 2018).
type Attention struct {
	Dst     []float32 // [M, H, D], written; may be Q
	Q       []float32 // [M, H, D]
	Pages   []Page    // pages before the window may be empty
	Start   int       // absolute position of row 0
	Window  int       // a row sees itself and the Window-1 positions before it; 0: all
	Scale   float32
	M, H, G int
	D       int
}

// Attend runs a.
func Attend(a *Attention) {
	if len(a.Dst) != a.M*a.H*a.D || len(a.Q) != a.M*a.H*a.D || a.H%a.G != 0 || len(a.Pages)*PageLen < a.Start+a.M {
		panic(fmt.Sprintf("kernel: Attend with wrong shapes: M %d H %d G %d D %d, %d pages", a.M, a.H, a.G, a.D, len(a.Pages)))
	}
	// The queries of a key/value head, row by row, are cut into chunks that read each key once: large ones, but enough
	// of them for all threads.
	const most = 48
	queries := a.M * a.H / a.G
	chunk := min(most, max(1, queries*a.G/par.Threads()))
	attendLoops.run(a.G*((queries+chunk-1)/chunk), 1, attendLoop{*a, queries, chunk})
}

type attendLoop struct {
	Attention
	queries, chunk int
}

var attendLoops loops[attendLoop, *attendLoop]

// Range computes the chunks [lo, hi), those of a key/value head one after the other.
func (l *attendLoop) Range(lo, hi int) {
	s := scratches.Get().(*[]float32)
	defer scratches.Put(s)
	size := l.chunk*(PageLen+2*l.D+2) + PageLen*l.D
	*s = slices.Grow((*s)[:0], size)[:size]
	chunks := (l.queries + l.chunk - 1) / l.chunk
	for i := lo; i < hi; i++ {
		first := i % chunks * l.chunk
		l.attend(i/chunks, first, min(first+l.chunk, l.queries), *s)
	}
}

// attend computes the queries [first, end) of one group.
func (a *Attention) attend(group, first, end int, scratch []float32) {
	heads, n := a.H/a.G, end-first
	take := func(size int) []float32 {
		part := scratch[:size]
		scratch = scratch[size:]
		return part
	}
	q, sums, scores, tops, totals := take(n*a.D), take(n*a.D), take(n*PageLen), take(n), take(n)
	wide := take(PageLen * a.D)
	at := func(i int) int { return ((first+i)/heads*a.H + group*heads + (first+i)%heads) * a.D }
	for i := range n {
		for d, v := range a.Q[at(i) : at(i)+a.D] {
			q[i*a.D+d] = v * a.Scale
		}
		tops[i] = float32(math.Inf(-1))
	}
	clear(sums)
	clear(totals)
	// visible returns the positions [lo, hi) that query i sees.
	visible := func(i int) (lo, hi int) {
		hi = a.Start + (first+i)/heads + 1
		if a.Window > 0 {
			lo = max(0, hi-a.Window)
		}
		return lo, hi
	}
	lo, _ := visible(0)
	_, hi := visible(n - 1)
	for p := lo / PageLen; p*PageLen < hi; p++ {
		keys := min(hi-p*PageLen, PageLen)
		row := (keys + 7) &^ 7
		a.score(scores, q, &a.Pages[p], group, n, keys, wide)
		for i := range n {
			from, to := visible(i)
			from, to = max(from-p*PageLen, 0), min(to-p*PageLen, keys)
			a.weigh(scores[i*PageLen:i*PageLen+row], from, to, &tops[i], &totals[i], sums[i*a.D:(i+1)*a.D])
		}
		a.mix(sums, scores, &a.Pages[p], group, n, keys, wide)
	}
	for i := range n {
		dst := a.Dst[at(i) : at(i)+a.D]
		for d, v := range sums[i*a.D : (i+1)*a.D] {
			dst[d] = v / totals[i]
		}
	}
}

// score computes the products of n queries with the first keys of a page; wide is memory for widening.
func (a *Attention) score(scores, q []float32, page *Page, group, n, keys int, wide []float32) {
	if page.HalfK == nil {
		active.dot(scores, q, page.K[group*PageLen*a.D:(group+1)*PageLen*a.D], n, keys, a.D, PageLen)
		return
	}
	half := page.HalfK[2*group*PageLen*a.D : 2*(group+1)*PageLen*a.D]
	if active.dotHalf != nil && active.dotHalf(tensor.F16, scores, q, half, n, keys, a.D, PageLen) {
		return
	}
	quant.Dequantize(wide[:keys*a.D], tensor.F16, half[:2*keys*a.D])
	active.dot(scores, q, wide, n, keys, a.D, PageLen)
}

// mix adds the first values of a page to the sums of n queries, each times its weight.
func (a *Attention) mix(sums, weights []float32, page *Page, group, n, keys int, wide []float32) {
	if page.HalfV == nil {
		active.gemm(sums, weights, page.V[group*PageLen*a.D:(group+1)*PageLen*a.D], n, a.D, keys, PageLen, true)
		return
	}
	half := page.HalfV[2*group*PageLen*a.D : 2*(group+1)*PageLen*a.D]
	if active.gemmHalf != nil && a.D%16 == 0 {
		active.gemmHalf(sums, weights, half, n, a.D, keys, PageLen, true)
		return
	}
	quant.Dequantize(wide[:keys*a.D], tensor.F16, half[:2*keys*a.D])
	active.gemm(sums, weights, wide, n, a.D, keys, PageLen, true)
}

// weigh turns the scores of one query in one tile into weights, those outside of [from, to) into zeroes. If the tile
// has the largest score so far, total and sum are scaled down to it.
func (a *Attention) weigh(scores []float32, from, to int, top, total *float32, sum []float32) {
	if from >= to {
		clear(scores)
		return
	}
	masked := float32(math.Inf(-1))
	fill(scores[:from], masked)
	fill(scores[to:], masked)
	if most := active.most(scores); most > *top {
		scale := exp(*top - most)
		for d := range sum {
			sum[d] *= scale
		}
		*total *= scale
		*top = most
	}
	*total += active.expSum(scores, *top)
}

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}
