package train_test

import (
	"runtime"
	"testing"

	"jamba/kernel/par"
	"jamba/model"
	"jamba/train"
)

// TestMemory asserts that training takes what is predicted.
func TestMemory(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	defer par.SetThreads(0)
	par.SetThreads(1) // scratch memory is a few times that of threads, which is of no weight in larger models
	before := heap()
	c := small()
	c.VocabSize, c.Layers = 512, c.Layers[3:6]
	m, err := model.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := train.New(m, options())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		step(t, tr, randomBatch(c.VocabSize, 2, 200))
	}
	got, want := float64(heap()-before), tr.Memory(2, 200)
	if total := float64(want.Total()); got < 0.9*total || got > 1.2*total {
		t.Errorf("training takes %.1f MB, predicted were %.1f: %+v", got/1e6, total/1e6, want)
	}
	runtime.KeepAlive(tr)
}
