package kernel

// moveGrain is how many floats to copy or add make a thread worth waking.
const moveGrain = 1 << 14

// Residual adds y to x, as Add, on all threads.
func Residual(x, y []float32) { addLoops.run(len(y), moveGrain, addLoop{x, y}) }

type addLoop struct{ x, y []float32 }

var addLoops loops[addLoop, *addLoop]

// Range adds the values [lo, hi).
func (l *addLoop) Range(lo, hi int) { Add(l.x[lo:hi], l.y[lo:hi]) }

// AddBias adds bias [N] to every row of x [M, N], on all threads. A nil bias is none.
func AddBias(x, bias []float32) {
	if n := len(bias); n > 0 {
		biasLoops.run(len(x)/n, 1+moveGrain/n, biasLoop{x, bias})
	}
}

type biasLoop struct{ x, bias []float32 }

var biasLoops loops[biasLoop, *biasLoop]

// Range adds to the rows [lo, hi).
func (l *biasLoop) Range(lo, hi int) {
	n := len(l.bias)
	for i := lo; i < hi; i++ {
		Add(l.x[i*n:(i+1)*n], l.bias)
	}
}

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
