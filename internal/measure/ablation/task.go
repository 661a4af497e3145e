package ablation

import (
	"math/rand/v2"

	"jamba/train"
)

// Task is what models are trained on.
type Task interface {
	// batch returns so many sequences, the same for the same state of r.
	batch(r *rand.Rand, sequences int) *train.Batch
	// test returns the sequences that models are judged by, which are the same for all.
	test() *train.Batch
	// axis names what makes answers hard, which accuracy is told by; "": there is no such thing.
	axis() string
	// at returns where on the axis a sequence of test is.
	at(sequence int) int
	vocab() int
	validate() error
}

// testSeed is that of the sequences that models are judged by; no training has it.
const testSeed = 1 << 40
