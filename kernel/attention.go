package kernel

import (
	"fmt"
	"math"

	"jamba/kernel/par"
)

// PageLen is the number of positions in one page of a K/V cache, and the length of the tiles that attention walks:
// tiles lie at absolute positions, so that the order of sums does not depend on how a sequence came in.
const PageLen = 256

// Page is PageLen positions of keys and values of one layer, each [G, PageLen, D].
type Page struct{ K, V []float32 }

// Attention is causal attention of M new rows of one sequence over its pages, which already hold the rows' own keys and
// values. Query head h reads key/value head h/(H/G). Softmax is online, tile by tile (Milakov and Gimelshein 2018).
type Attention struct {
	Dst     []float32 // [M, H, D], written; not Q
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
	par.For(a.M*a.G, 1, func(lo, hi int) {
		scores := make([]float32, PageLen)
		for i := lo; i < hi; i++ {
			active.attend(a, i/a.G, i%a.G, scores)
		}
	})
}

func attendGeneric(a *Attention, row, group int, scores []float32) {
	pos := a.Start + row
	first := 0
	if a.Window > 0 {
		first = max(0, pos-a.Window+1)
	}
	heads := a.H / a.G
	for h := group * heads; h < (group+1)*heads; h++ {
		q := a.Q[(row*a.H+h)*a.D : (row*a.H+h+1)*a.D]
		dst := a.Dst[(row*a.H+h)*a.D : (row*a.H+h+1)*a.D]
		clear(dst)
		top, sum := float32(math.Inf(-1)), float32(0)
		for p := first / PageLen; p*PageLen <= pos; p++ {
			lo, hi := max(first-p*PageLen, 0), min(pos+1-p*PageLen, PageLen)
			head := a.Pages[p].K[group*PageLen*a.D:]
			tileTop := float32(math.Inf(-1))
			for i := lo; i < hi; i++ {
				scores[i] = dot(q, head[i*a.D:(i+1)*a.D]) * a.Scale
				tileTop = max(tileTop, scores[i])
			}
			if tileTop > top {
				scale := exp(top - tileTop)
				for d := range dst {
					dst[d] *= scale
				}
				sum *= scale
				top = tileTop
			}
			head = a.Pages[p].V[group*PageLen*a.D:]
			for i := lo; i < hi; i++ {
				w := exp(scores[i] - top)
				sum += w
				AddScaled(dst, w, head[i*a.D:(i+1)*a.D])
			}
		}
		for d := range dst {
			dst[d] /= sum
		}
	}
}
