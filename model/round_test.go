package model_test

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"

	"jamba/internal/kernel"
	"jamba/model"
	"jamba/model/param"
	"jamba/tensor"
)

// TestRoundedOnce asserts that weights which are rounded in memory and then packed are not all there twice, even if nobody
// else has the garbage collected.
func TestRoundedOnce(t *testing.T) {
	if kernel.PeakI8(1<<10) == 0 {
		t.Skip("these kernels pack nothing")
	}
	attention := &model.Attention{NumAttentionHeads: 4, NumKeyValueHeads: 4, HeadDim: 64}
	c := model.Config{Architecture: "jamba", VocabSize: 40, HiddenSize: 256, RMSNormEps: 1e-6, BOSTokenID: -1, PADTokenID: -1}
	for range 8 {
		c.Layers = append(c.Layers, model.Layer{Attention: attention, MLP: &model.MLP{IntermediateSize: 1024}})
	}
	owner, err := model.New(c, 7, model.InitializerRange)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Load(c, model.Stage{}, newMemory(owner))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	choose := func(param.ID, int) (tensor.DType, string) { return tensor.Q8_0, "" }
	if err := m.Round(ctx, choose, nil); err != nil {
		t.Fatal(err)
	}
	var rounded, most int64
	for _, r := range m.Rounded() {
		rounded += r.After
	}
	inUse := func() int64 {
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	before := inUse()
	if err := m.Prepare(ctx, model.Fast, tensor.F16, func(int64, int64) { most = max(most, inUse()-before) }); err != nil {
		t.Fatal(err)
	}
	if most > rounded/2 {
		t.Errorf("packing %d bytes took %d more", rounded, most)
	}
	runtime.KeepAlive(m)
}
