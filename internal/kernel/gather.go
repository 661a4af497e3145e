package kernel

// Gathered are rows of one matrix that lie behind each other in another: row j of Some is row From[j] of All.
type Gathered struct {
	All  []float32 // rows of N values
	Some []float32 // [len(From), N]
	From []int
	N    int
}

// Gather copies rows of All to Some.
func (g *Gathered) Gather() { gatherLoops.run(len(g.From), 1+moveGrain/g.N, gatherLoop(*g)) }

// ScatterAdd adds the rows of Some times scale [len(From)] to those of All. What comes to one row of All is added in the order
// of Some.
func (g *Gathered) ScatterAdd(scale []float32) {
	if len(g.From) > 0 {
		scatterLoops.run(g.N, 1+moveGrain/len(g.From), scatterLoop{*g, scale})
	}
}

type gatherLoop Gathered

var gatherLoops loops[gatherLoop, *gatherLoop]

// Range copies the rows [lo, hi).
func (g *gatherLoop) Range(lo, hi int) {
	for j := lo; j < hi; j++ {
		copy(g.Some[j*g.N:(j+1)*g.N], g.All[g.From[j]*g.N:])
	}
}

type scatterLoop struct {
	Gathered
	scale []float32
}

var scatterLoops loops[scatterLoop, *scatterLoop]

// Range adds the columns [lo, hi) of all rows: threads that shared rows would add in another order.
func (g *scatterLoop) Range(lo, hi int) {
	for j, i := range g.From {
		AddScaled(g.All[i*g.N+lo:i*g.N+hi], g.scale[j], g.Some[j*g.N+lo:j*g.N+hi])
	}
}
