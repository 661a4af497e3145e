package kernel

import (
	"fmt"
	"slices"

	"jamba/internal/kernel/par"
)

const (
	productRows    = 6  // of a tile of products
	productColumns = 16 // of a tile, and of a panel of w

	// productK is how far a tile runs along k at a time: a panel of w that long is half of the first cache. The sums of
	// the parts are added in order.
	productK = 256
	// productBlock is how many rows of dst pass a panel of w before the next: their part of x, productK long, stays in
	// the second cache.
	productBlock = 32 * productRows
)

// Product computes dst = or += x·w, with x [M, K], w [K, N] and dst [M, N]: the gradient of a linear layer's input, with x
// that of its output and w its weight. M is len(x)/K.
func Product(dst, x, w []float32, n, k int, add bool) {
	if len(x)%k != 0 || len(w) != k*n || len(dst) != len(x)/k*n {
		panic(fmt.Sprintf("kernel: Product of %d and %d values to %d with N %d K %d", len(x), len(w), len(dst), n, k))
	}
	p := product{dst: dst, x: x, w: w, m: len(x) / k, n: n, k: k, add: add}
	p.run(active.product)
}

// ProductT computes dst = or += xᵀ·w, with x [K, M], w [K, N] and dst [M, N]: the gradient of a linear layer's weight, with
// x that of its output and w its input. K is len(x)/M.
func ProductT(dst, x, w []float32, m, n int, add bool) {
	k := len(x) / m
	if len(x) != k*m || len(w) != k*n || len(dst) != m*n {
		panic(fmt.Sprintf("kernel: ProductT of %d and %d values to %d with M %d N %d", len(x), len(w), len(dst), m, n))
	}
	p := product{dst: dst, x: x, w: w, m: m, n: n, k: k, add: add, transposed: true}
	p.run(active.productT)
}

// product is a product of matrices. An output is one sum over ascending k.
type product struct {
	dst, x, w []float32
	m, n, k   int
	add       bool
	// transposed: x is [k, m].
	transposed bool
}

// tile computes dst[i, 0:16] = or += Σ_k x[i, k]·w[k, 0:16] for i < m, at most productRows, with w [k, 16]. In x, rows lie
// ldx apart, or, for a transposed tile, the values of a row.
type tile func(dst []float32, ldd int, x []float32, ldx int, w []float32, m, k int, add bool)

func (p *product) run(f tile) {
	if p.k == 0 {
		if !p.add {
			clear(p.dst)
		}
		return
	}
	// All panels of w for some rows, as many times as threads can share evenly; for few rows, some panels, so that all
	// threads have work.
	threads := par.Threads()
	panels, tiles := (p.n+productColumns-1)/productColumns, (p.m+productRows-1)/productRows
	blocks, parts := (p.m+productBlock-1)/productBlock, 1
	blocks = min(tiles, (blocks+threads-1)/threads*threads)
	for blocks*parts < 2*threads && parts < panels {
		parts++
	}
	grain := 1 + (1<<16)*blocks*parts/(p.m*p.n*p.k+1)
	par.For(blocks*parts, grain, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			block, part := i/parts, i%parts
			row, end := block*tiles/blocks*productRows, (block+1)*tiles/blocks*productRows
			p.block(f, row, min(end, p.m), part*panels/parts, (part+1)*panels/parts)
		}
	})
}

// block computes the rows [row, end) and the panels [panel, last) of dst.
func (p *product) block(f tile, row, end, panel, last int) {
	s := scratches.Get().(*[]float32)
	defer scratches.Put(s)
	const size = (productBlock + productColumns) * productK
	*s = slices.Grow((*s)[:0], size)[:size]
	w, left := (*s)[:productColumns*productK], (*s)[productColumns*productK:]
	// Rows of x that lie a multiple of 4 KB apart fall into so few sets of the second cache that it cannot keep them.
	collide := !p.transposed && p.k%1024 == 0
	for at := 0; at < p.k; at += productK {
		k, add := min(productK, p.k-at), p.add || at > 0
		switch {
		case p.transposed:
			p.gather(left, row, end, at, k)
		case collide:
			for i := row; i < end; i++ {
				copy(left[(i-row)*k:(i-row+1)*k], p.x[i*p.k+at:])
			}
		}
		for j := panel * productColumns; j < min(last*productColumns, p.n); j += productColumns {
			p.pack(w, j, at, k)
			for i := row; i < end; i += productRows {
				m := min(productRows, end-i)
				x, ldx := left[(i-row)*k:], productRows
				switch {
				case collide:
					ldx = k
				case !p.transposed:
					x, ldx = p.x[i*p.k+at:], p.k
				}
				if p.n-j < productColumns {
					p.edge(f, i, m, j, x, ldx, w, k, add)
				} else {
					f(p.dst[i*p.n+j:], p.n, x, ldx, w, m, k, add)
				}
			}
		}
	}
}

// pack copies the panel of w from column j on, k rows from at on, filled up with zeroes: in place its rows lie in as many
// pages as k is long.
func (p *product) pack(to []float32, j, at, k int) {
	const width = productColumns
	if p.n-j >= width {
		active.copyPanel(to, p.w[at*p.n+j:], p.n, k)
		return
	}
	for i := range k {
		row := to[i*width : (i+1)*width]
		clear(row[copy(row, p.w[(at+i)*p.n+j:(at+i+1)*p.n]):])
	}
}

// gather copies the rows [row, end) of a transposed x, k from at on, in the order in which the tiles read them: in place
// they lie in as many lines and pages as k is long.
func (p *product) gather(to []float32, row, end, at, k int) {
	tiles, from := (end-row)/productRows, p.x[at*p.m+row:]
	if tiles > 0 {
		active.gather(to, from, p.m, tiles, k)
	}
	if rest := (end - row) % productRows; rest > 0 {
		to, from = to[tiles*k*productRows:], from[tiles*productRows:]
		for j := range k {
			copy(to[j*productRows:], from[j*p.m:j*p.m+rest])
		}
	}
}

// edge is a tile that is narrower than a panel.
func (p *product) edge(f tile, i, m, first int, x []float32, ldx int, w []float32, k int, add bool) {
	var out [productRows * productColumns]float32
	columns := p.n - first
	for r := range m {
		copy(out[r*productColumns:], p.dst[(i+r)*p.n+first:(i+r+1)*p.n])
	}
	f(out[:], productColumns, x, ldx, w, m, k, add)
	for r := range m {
		copy(p.dst[(i+r)*p.n+first:(i+r+1)*p.n], out[r*productColumns:r*productColumns+columns])
	}
}

func productGeneric(dst []float32, ldd int, x []float32, ldx int, w []float32, m, k int, add bool) {
	for i := range m {
		out := dst[i*ldd : i*ldd+productColumns]
		if !add {
			clear(out)
		}
		for j, v := range x[i*ldx : i*ldx+k] {
			addScaledGeneric(out, v, w[j*productColumns:(j+1)*productColumns])
		}
	}
}

func productTGeneric(dst []float32, ldd int, x []float32, ldx int, w []float32, m, k int, add bool) {
	for i := range m {
		out := dst[i*ldd : i*ldd+productColumns]
		if !add {
			clear(out)
		}
		for j := range k {
			addScaledGeneric(out, x[j*ldx+i], w[j*productColumns:(j+1)*productColumns])
		}
	}
}

func copyPanelGeneric(dst, src []float32, ldsrc, k int) {
	for i := range k {
		copy(dst[i*productColumns:(i+1)*productColumns], src[i*ldsrc:])
	}
}

func gatherGeneric(dst, src []float32, ldsrc, tiles, k int) {
	for i := range k {
		for j := range tiles {
			copy(dst[(j*k+i)*productRows:(j*k+i+1)*productRows], src[i*ldsrc+j*productRows:])
		}
	}
}
