package kernel

import (
	"sync"

	"jamba/internal/kernel/par"
)

// loops runs loops with bodies of type B in memory that is used again: a closure would be allocated for each.
type loops[B any, P interface {
	*B
	par.Body
}] struct{ free sync.Pool }

// run is par.Run with a copy of body.
func (l *loops[B, P]) run(n, grain int, body B) {
	b, ok := l.free.Get().(P)
	if !ok {
		b = new(B)
	}
	*b = body
	par.Run(n, grain, b)
	var none B
	*b = none // holds on to nothing
	l.free.Put(b)
}
