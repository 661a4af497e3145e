package model_test

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/quantize"
)

// TestAdapterVariants compares adapters of the embedding and the head, tied and untied, whole weights, and settings of all
// kinds with PEFT: beside a folder, beside a GGUF file, beside quantized weights, and merged.
func TestAdapterVariants(t *testing.T) {
	all := testutil.Adapters(t)
	if len(all.Variants) < 48 {
		t.Fatalf("only %d variants", len(all.Variants))
	}
	for _, v := range all.Variants {
		t.Run(v.Name, func(t *testing.T) {
			base, dir, want := all.BaseOf(v), all.Write(t, v), all.Floats(v, "logits")
			logits := func(path string, o checkpoint.Options) []float32 {
				t.Helper()
				m, err := golden.OpenModel(path, o)
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				out, err := m.NewPass().Logits(context.Background(), model.Span{State: m.NewState(), Tokens: all.IDs, Want: model.AllLogits})
				if err != nil {
					t.Fatal(err)
				}
				return slices.Clone(out)
			}
			near := func(what string, got []float32, tolerance float64) {
				t.Helper()
				if d := testutil.MaxDiff(t, got, want); !(d <= tolerance) {
					t.Errorf("%s: logits are off by %.2g", what, d)
				}
			}
			near("folder", logits(base, checkpoint.Options{Adapter: dir}), 1e-4)
			near("fast", logits(base, checkpoint.Options{Adapter: dir, Precision: model.Fast}), 5e-2) // keys and values are fp16
			mean := 0.0
			for i, x := range logits(base, checkpoint.Options{Adapter: dir, Weights: "experts-int8"}) { // others are BF16
				mean += math.Abs(float64(x-want[i])) / float64(len(want))
			}
			if mean > 0.05 {
				t.Errorf("beside rounded weights logits are off by %.2g on average", mean)
			}

			file := filepath.Join(t.TempDir(), "base.gguf")
			if _, err := quantize.Export(context.Background(), base, file, quantize.ExportOptions{Recipe: "f32"}); err != nil {
				t.Fatal(err)
			}
			near("GGUF", logits(file, checkpoint.Options{Adapter: dir}), 1e-4)

			merged := filepath.Join(t.TempDir(), "merged")
			if err := quantize.Merge(base, dir, merged); err != nil {
				t.Fatal(err)
			}
			near("merged", logits(merged, checkpoint.Options{}), 1e-4)
			m, err := golden.OpenModel(merged, checkpoint.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if tied := strings.HasPrefix(v.Base, "tied") && strings.Contains(v.Name, "tying"); m.Config.TieWordEmbeddings != tied {
				t.Errorf("merged: tied is %v, want %v", m.Config.TieWordEmbeddings, tied)
			}
		})
	}
}

// TestAdapterVariantsAlike asserts that adapters of the embedding and the head compute the same bits however a sequence is
// cut, and that they change a model whose weights are of 8 bits as they change the others.
func TestAdapterVariantsAlike(t *testing.T) {
	g := golden.Open(t, testutil.Golden("models", "jamba-odd-tied"))
	dir := filepath.Dir(g.Path)
	adapter := newAdapter(t, g.Model, []string{"embed", "head", "mamba"}, 70) // more than the model is wide
	for _, o := range []checkpoint.Options{
		{Adapter: adapter}, {Adapter: adapter, Precision: model.Fast}, {Adapter: adapter, Weights: "q8_0"}, {Adapter: adapter, Weights: "q8_0", Precision: model.Fast},
	} {
		m, err := golden.OpenModel(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		own := &golden.Golden{Model: m}
		all := own.Forward(t, m.NewPass(), m.NewState(), g.IDs)
		for _, chunks := range [][]int{slices.Repeat([]int{1}, len(g.IDs)), {3, 1, 5}} {
			if !slices.Equal(own.Forward(t, m.NewPass(), m.NewState(), g.IDs, chunks...), all) {
				t.Errorf("%+v: chunks %v give other logits", o, chunks)
			}
		}
		plain := o
		plain.Adapter = ""
		without, err := golden.OpenModel(dir, plain)
		if err != nil {
			t.Fatal(err)
		}
		defer without.Close()
		if d := testutil.MaxDiff(t, all, (&golden.Golden{Model: without}).Forward(t, without.NewPass(), without.NewState(), g.IDs)); d < 0.1 {
			t.Errorf("%+v: the adapter changes logits by %.2g only", o, d)
		}
	}
}
