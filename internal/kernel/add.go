package kernel

// moveGrain is how many floats to copy or add make a thread worth waking.
const moveGrain = 1 << 14

// Residual adds y to x, as Add, on all threads.
func Residual(x, y []float32) { addLoops.run(len(y), moveGrain, addLoop{x, y}) }

type addLoop struct{ x, y []float32 }

var addLoops loops[addLoop, *addLoop]

// Range adds the values [lo, hi), some at a time: a call has to end soon.
func (l *addLoop) Range(lo, hi int) {
	for ; lo < hi; lo += moveGrain {
		end := min(lo+moveGrain, hi)
		Add(l.x[lo:end], l.y[lo:end])
	}
}

// Add adds y to the beginning of x.
func Add(x, y []float32) { AddScaled(x, 1, y) }

// AddScaled adds a·y to the beginning of x.
func AddScaled(x []float32, a float32, y []float32) {
	if len(y) > 0 {
		active.addScaled(x[:len(y)], a, y)
	}
}

func addScaledGeneric(x []float32, a float32, y []float32) {
	for i, v := range y {
		x[i] += a * v
	}
}
