package kernel

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"jamba/internal/kernel/par"
	"jamba/tensor"
)

// Attention is causal attention of M new rows of one sequence over its pages, which already hold the rows' own keys and
// values. Query head h reads key/value head h/(H/G). Softmax is online, tile by tile (Milakov and Gimelshein 2018).
type Attention struct {
	Dst     []float32    // [M, H, D], written; may be Q
	Q       []float32    // [M, H, D]
	Pages   []Page       // pages before the window may be empty
	DType   tensor.DType // of keys and values: F32, F16 or Q8_0
	Start   int          // absolute position of row 0
	Window  int          // a row sees itself and the Window-1 positions before it; 0: all
	Scale   float32
	M, H, G int
	D       int
}

// Bytes returns how many bytes of keys and values the rows see, each counted once.
func (a *Attention) Bytes() int {
	first := 0
	if a.Window > 0 {
		first = max(0, a.Start+1-a.Window)
	}
	_, row := PageRow(a.DType, a.D)
	return 2 * (a.Start + a.M - first) * a.G * row
}

// Attend runs the attention of several sequences in one loop.
func Attend(seqs []Attention) {
	queries := 0
	for i := range seqs {
		a := &seqs[i]
		if len(a.Dst) != a.M*a.H*a.D || len(a.Q) != a.M*a.H*a.D || a.H%a.G != 0 || len(a.Pages)*PageLen < a.Start+a.M {
			panic(fmt.Sprintf("kernel: Attend with wrong shapes: M %d H %d G %d D %d, %d pages", a.M, a.H, a.G, a.D, len(a.Pages)))
		}
		queries += a.M * a.H
	}
	if queries == 0 {
		return
	}
	l := attendBodies.Get().(*attendLoop)
	l.plan(seqs, queries)
	par.Run(len(l.items), 1, l)
	l.seqs = nil // holds on to nothing
	attendBodies.Put(l)
}

// attendLoop is the attention of several sequences, cut into items.
type attendLoop struct {
	seqs  []Attention
	chunk int // queries of an item
	items []attendItem
}

// attendItem is a chunk of the queries of one sequence and key/value head.
type attendItem struct{ seq, chunk int32 }

var attendBodies = sync.Pool{New: func() any { return new(attendLoop) }}

// plan cuts the queries of each key/value head, row by row, into chunks that read each key once: large ones, but enough of
// them for all threads. Items of different sequences alternate, so that each range of them has a share of the long ones.
func (l *attendLoop) plan(seqs []Attention, queries int) {
	const maxQueries = 48
	l.seqs, l.items = seqs, l.items[:0]
	l.chunk = min(maxQueries, max(1, queries/par.Threads()))
	for k, more := int32(0), true; more; k++ {
		more = false
		for i := range seqs {
			if a := &seqs[i]; int(k) < a.G*a.chunks(l.chunk) {
				l.items = append(l.items, attendItem{int32(i), k})
				more = true
			}
		}
	}
}

// chunks returns the number of chunks of so many queries that a key/value head has.
func (a *Attention) chunks(size int) int { return (a.M*a.H/a.G + size - 1) / size }

// Range computes the items [lo, hi).
func (l *attendLoop) Range(lo, hi int) {
	s := scratches.Get().(*[]float32)
	defer scratches.Put(s)
	for _, item := range l.items[lo:hi] {
		a := &l.seqs[item.seq]
		width, _ := PageRow(a.DType, a.D)
		size := (l.chunk+3)*(PageLen+2*width+2) + wideRows*width
		*s = slices.Grow((*s)[:0], size)[:size]
		chunks := a.chunks(l.chunk)
		first := int(item.chunk) % chunks * l.chunk
		a.attend(int(item.chunk)/chunks, first, min(first+l.chunk, a.M*a.H/a.G), width, *s)
	}
}

// attend computes the queries [first, end) of one group. Rows have width values, zeroes after the first D.
func (a *Attention) attend(group, first, end, width int, scratch []float32) {
	heads, n := a.H/a.G, end-first
	take := func(size int) []float32 {
		part := scratch[:size]
		scratch = scratch[size:]
		return part
	}
	padded := (n + 3) &^ 3 // kernels compute some scores more
	q, sums, scores, tops, totals := take(padded*width), take(n*width), take(padded*PageLen), take(n), take(n)
	wide := take(wideRows * width)
	at := func(i int) int { return ((first+i)/heads*a.H + group*heads + (first+i)%heads) * a.D }
	tiles := a.tiles(width)
	clear(q)
	for i := range n {
		row := q[i*width : (i+1)*width]
		if tiles != nil {
			row = wide[:width]
			clear(row[a.D:])
		}
		for d, v := range a.Q[at(i) : at(i)+a.D] {
			row[d] = v * a.Scale
		}
		if tiles != nil {
			tiles.keys.order(q, i, row)
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
		page, next := &a.Pages[p], &a.Pages[p]
		if (p+1)*PageLen < hi {
			next = &a.Pages[p+1]
		}
		if tiles != nil {
			tiles.keys.products(scores, q, a.raw(page.RawK, group), a.raw(page.RawV, group), n, keys, width, wide)
		} else {
			a.score(scores, q, page, group, n, keys, wide)
		}
		for i := range n {
			from, to := visible(i)
			from, to = max(from-p*PageLen, 0), min(to-p*PageLen, keys)
			a.weigh(scores[i*PageLen:i*PageLen+row], from, to, &tops[i], &totals[i], sums[i*width:(i+1)*width])
		}
		if tiles != nil { // what is read next are next's keys
			tiles.sum(sums, scores, a.raw(page.RawV, group), a.raw(next.RawK, group), n, keys, width, wide)
		} else {
			a.mix(sums, scores, page, group, n, keys, wide)
		}
	}
	for i := range n {
		dst := a.Dst[at(i) : at(i)+a.D]
		for d, v := range sums[i*width : i*width+a.D] {
			dst[d] = v / totals[i]
		}
	}
}

// tiles returns the kernels that read the pages as they lie, nil if there are none for rows of that width.
func (a *Attention) tiles(width int) *pageTiles {
	if t := active.pages[a.DType]; t.reads(width) {
		return t
	}
	return nil
}

// score computes the products of n queries with the first keys of a page; wide is memory for widening.
func (a *Attention) score(scores, q []float32, page *Page, group, n, keys int, wide []float32) {
	if a.DType == tensor.F32 {
		active.dot(scores, q, page.K[group*PageLen*a.D:(group+1)*PageLen*a.D], n, keys, a.D, PageLen)
		return
	}
	raw := a.raw(page.RawK, group)
	if a.DType == tensor.F16 && active.dotHalf != nil && active.dotHalf(tensor.F16, scores, q, raw, n, keys, a.D, PageLen) {
		return
	}
	a.widened(raw, keys, wide, func(at, rows, width int, w []float32) {
		active.dot(scores[at:], q, w, n, rows, width, PageLen)
	})
}

// mix adds the first values of a page to the sums of n queries, each times its weight.
func (a *Attention) mix(sums, weights []float32, page *Page, group, n, keys int, wide []float32) {
	if a.DType == tensor.F32 {
		active.gemm(sums, weights, page.V[group*PageLen*a.D:(group+1)*PageLen*a.D], n, a.D, keys, PageLen, true)
		return
	}
	raw := a.raw(page.RawV, group)
	if a.DType == tensor.F16 && active.gemmHalf != nil && a.D%16 == 0 {
		active.gemmHalf(sums, weights, raw, n, a.D, keys, PageLen, true)
		return
	}
	a.widened(raw, keys, wide, func(at, rows, width int, w []float32) {
		active.gemm(sums, weights[at:], w, n, width, rows, PageLen, true)
	})
}

// raw returns the rows of a group.
func (a *Attention) raw(all []byte, group int) []byte {
	_, row := PageRow(a.DType, a.D)
	return all[group*PageLen*row : (group+1)*PageLen*row]
}

// widened hands over the first n of raw rows as float32, some at a time: those from row at on.
func (a *Attention) widened(raw []byte, n int, wide []float32, use func(at, rows, width int, w []float32)) {
	width, row := PageRow(a.DType, a.D)
	for at, atOnce := 0, rowsAtOnce(width); at < n; at += atOnce {
		rows := min(atOnce, n-at)
		dequantize(wide[:rows*width], a.DType, raw[at*row:(at+rows)*row])
		use(at, rows, width, wide[:rows*width])
	}
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
	if largest := active.max(scores); largest > *top {
		scale := exp(*top - largest)
		for d := range sum {
			sum[d] *= scale
		}
		*total *= scale
		*top = largest
	}
	*total += active.expSum(scores, *top)
}

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}
