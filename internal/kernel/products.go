package kernel

import "slices"

// kBlock is how far a product runs along k before the next rows: a few rows of x and of w fit the first cache.
const kBlock = 1024

// dotBlock is how many tiles of rows of x pass some rows of w, which stay in the first cache, before the next.
const dotBlock = 4

type dotTile[W any] = func(dst *float32, ldd int, x *float32, ldx int, w *W, ldw, k int)

// dotTiles are the kernels of products with both operands contiguous in k.
type dotTiles[W any] struct {
	one, some []dotTile[W] // from one row of x on, for one row of w and for that many:
	columns   int
	row       dotTile[W] // one row of x, for wide rows of w
	wide      int
}

// rows runs the tiles; an element of w, as the tiles count them, takes size elements of the slice.
func (t *dotTiles[W]) rows(dst, x []float32, w []W, m, n, k, ldd, size int) {
	maxRows := len(t.one)
	var part []float32 // a tile's products of a further part of k
	if k > kBlock {
		s := scratches.Get().(*[]float32)
		defer scratches.Put(s)
		*s = slices.Grow((*s)[:0], maxRows*max(t.columns, t.wide))[:maxRows*max(t.columns, t.wide)]
		part = *s
	}
	for at := 0; at < k; at += kBlock {
		kb := min(kBlock, k-at)
		for first := 0; first < m; first += dotBlock * maxRows {
			end := min(first+dotBlock*maxRows, m)
			for j := 0; j < n; {
				columns, tiles := 1, t.one
				switch {
				case m == 1 && n-j >= t.wide:
					columns, tiles = t.wide, nil
				case n-j >= t.columns:
					columns, tiles = t.columns, t.some
				}
				for i := first; i < end; {
					rows, f := evenly(end-i, maxRows), t.row
					if tiles != nil {
						f = tiles[rows-1]
					}
					out, src, weights := dst[i*ldd+j:(i+rows-1)*ldd+j+columns], x[i*k+at:(i+rows)*k], w[(j*k+at)*size:(j+columns)*k*size]
					if at == 0 {
						f(&out[0], ldd, &src[0], k, &weights[0], k, kb)
					} else {
						f(&part[0], columns, &src[0], k, &weights[0], k, kb)
						for r := range rows {
							Add(out[r*ldd:r*ldd+columns], part[r*columns:(r+1)*columns])
						}
					}
					i += rows
				}
				j += columns
			}
		}
	}
}

// gemmTiles are the kernels of products with rows of w contiguous in n, from one row of x on, for width columns.
type gemmTiles[W any] struct {
	tiles []func(dst *float32, ldd int, x *float32, ldx int, w *W, ldw, k int, add bool)
	width int
}

type (
	gemmTile     = func(dst *float32, ldd int, x *float32, ldx int, w *float32, ldw, k int, add bool)
	gemmHalfTile = func(dst *float32, ldd int, x *float32, ldx int, w *byte, ldw, k int, add bool)
)

// columns computes the columns from first on, as many as there are whole tiles for, and returns where it stopped. An
// element of w, as the tiles count them, takes size elements of the slice.
func (t *gemmTiles[W]) columns(dst, x []float32, w []W, m, first, n, k, ldx, size int, add bool) int {
	maxRows, end := len(t.tiles), n-(n-first)%t.width
	for i := 0; i < m; i += maxRows {
		rows := min(maxRows, m-i)
		out, src := dst[i*n:(i+rows)*n], x[i*ldx:(i+rows-1)*ldx+k]
		for j := first; j < end; j += t.width {
			t.tiles[rows-1](&out[j], n, &src[0], ldx, &w[j*size], n, k, add)
		}
	}
	return end
}

// gemmColumns computes the columns from first on, less than 16, as gemmGeneric does.
func gemmColumns(dst, x, w []float32, m, first, n, k, ldx int, add bool) {
	for i := 0; i < m && first < n; i++ {
		out := dst[i*n+first : (i+1)*n]
		if !add {
			clear(out)
		}
		for j, v := range x[i*ldx : i*ldx+k] {
			addScaledGeneric(out, v, w[j*n+first:(j+1)*n])
		}
	}
}
