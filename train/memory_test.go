package train_test

import (
	"runtime"
	"testing"

	"jamba/internal/kernel/par"
	"jamba/internal/testutil"
	"jamba/model"
	"jamba/train"
)

// TestMemory asserts that training takes what is predicted, for few documents that are long and many that are short.
func TestMemory(t *testing.T) {
	testutil.SkipRace(t, testutil.OneGoroutine)
	for _, shape := range [][2]int{{2, 200}, {150, 3}} {
		testMemory(t, shape[0], shape[1])
	}
}

func testMemory(t *testing.T, documents, length int) {
	t.Helper()
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
	m, err := model.New(c, 1, model.InitializerRange)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := train.New(m, options())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		step(t, tr, randomBatch(c.VocabSize, documents, length))
	}
	got, want := float64(heap()-before), tr.Memory(documents, length)
	if total := float64(want.Total()); got < 0.9*total || got > 1.1*total {
		t.Errorf("%d documents of %d: training takes %.1f MB, predicted were %.1f: %+v", documents, length, got/1e6, total/1e6, want)
	}
	runtime.KeepAlive(tr)
}
