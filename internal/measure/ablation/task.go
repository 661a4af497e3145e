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
	// distance returns how far before it what answers a label stands; 0: there is no such place. Sequence and position are
	// those of test.
	distance(sequence, position int) int
	vocab() int
	validate() error
}

// testSeed is that of the sequences that models are judged by; no training has it.
const testSeed = 1 << 40
