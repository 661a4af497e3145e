package kernel

// moveGrain is how many floats to copy or add make a thread worth waking.
const moveGrain = 1 << 14

// Residual adds y to x, as Add, on all threads.
func Residual(x, y []float32) { addLoops.run(len(y), moveGrain, addLoop{x, y}) }

type addLoop struct{ x, y []float32 }

var addLoops loops[addLoop, *addLoop]

// Range adds the values [lo, hi).
func (l *addLoop) Range(lo, hi int) { Add(l.x[lo:hi], l.y[lo:hi]) }

// Add adds y to the beginning of x.
func Add(x, y []float32) { AddScaled(x, 1, y) }

// AddScaled adds a·y to the beginning of x, some at a time: a call has to end soon.
func AddScaled(x []float32, a float32, y []float32) {
	for x = x[:len(y):len(x)]; len(y) > 0; {
		n := min(len(y), moveGrain)
		active.addScaled(x[:n], a, y[:n])
		x, y = x[n:], y[n:]
	}
}

func addScaledGeneric(x []float32, a float32, y []float32) {
	for i, v := range y {
		x[i] += float32(a * v)
	}
}
