package checkpoint_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/format/gguf"
	"jamba/internal/kernel"
	"jamba/internal/kernel/quant"
	"jamba/internal/testutil/blocks"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/quantize"
	"jamba/tensor"
)

// fewBits are the formats that are read and, but for the first two, not written.
var fewBits = []tensor.DType{
	tensor.Q2_K, tensor.Q3_K, tensor.IQ4_NL, tensor.IQ4_XS, tensor.IQ3_XXS, tensor.IQ3_S, tensor.IQ2_XXS, tensor.IQ2_XS,
	tensor.IQ2_S, tensor.IQ1_S, tensor.IQ1_M, tensor.MXFP4, tensor.TQ1_0, tensor.TQ2_0,
}

// inFormat writes the model of wide as two GGUF files: all matrices of which rows are whole blocks, stacks of experts and
// the embedding among them, of random blocks of type d; and the same values as F32.
func inFormat(t *testing.T, d tensor.DType, tied bool) (few, plain string) {
	t.Helper()
	source, _ := golden.Export(t, golden.Wide(t, tied), "f32")
	r := rand.New(rand.NewPCG(5, uint64(d)))
	data := map[string][]byte{}
	matrices := func(each func(f *nativeFile, s *gguf.Source, n int)) string {
		return rewrite(t, source, func(f *nativeFile) {
			for i := range f.tensors {
				s := &f.tensors[i]
				k := s.Shape[len(s.Shape)-1]
				if len(s.Shape) < 2 || k%d.BlockValues() != 0 || strings.Contains(s.Name, "ffn_gate_inp") || strings.Contains(s.Name, "ssm_conv1d") {
					continue
				}
				n, _ := tensor.Numel(s.Shape)
				each(f, s, n)
			}
		})
	}
	few = matrices(func(f *nativeFile, s *gguf.Source, n int) {
		// Numbers of up to 127 with scales of up to 63 in a sub-block.
		b := blocks.Random(r, d, n/d.BlockValues(), 1.0/4096)
		f.data[s.Name], data[s.Name], s.DType = b, b, d
	})
	plain = matrices(func(f *nativeFile, s *gguf.Source, n int) {
		v := make([]float32, n)
		quant.Dequantize(v, d, data[s.Name])
		f.data[s.Name] = tensor.Bytes(v)
	})
	if len(data) < 12 {
		t.Fatalf("%d matrices", len(data))
	}
	return few, plain
}

// TestFewBits asserts that matrices of formats of few bits are what their values are: the same logits, bit for bit, as from
// a file that has them as F32; that both precisions take them in place; that files are rounded from them as from their
// values, which the report says; and that a file keeps them if it keeps types.
func TestFewBits(t *testing.T) {
	ids := []int32{1, 17, 250, 3, 99, 4, 4, 200, 31}
	for _, d := range fewBits {
		for _, tied := range []bool{false, true} {
			if tied && testing.Short() {
				continue
			}
			t.Run(fmt.Sprintf("%v/tied %v", d, tied), func(t *testing.T) {
				few, plain := inFormat(t, d, tied)
				logits := func(path string, o checkpoint.Options) ([]float32, *model.Model) {
					m := golden.OpenWith(t, path, o)
					return (&golden.Golden{Model: m}).Forward(t, m.NewPass(), m.NewState(), ids), m
				}
				want, _ := logits(plain, checkpoint.Options{})
				got, m := logits(few, checkpoint.Options{})
				if !slices.Equal(got, want) {
					t.Error("other logits than of the values as F32")
				}
				if _, after := totalBytes(m); after > 1<<20 {
					t.Errorf("%d bytes of weights", after)
				}
				want, _ = logits(plain, checkpoint.Options{Precision: model.Fast})
				got, _ = logits(few, checkpoint.Options{Precision: model.Fast})
				if !slices.Equal(got, want) {
					t.Error("fast: other logits than of the values as F32")
				}
				// What is quantized stays as it is.
				if _, m = logits(few, checkpoint.Options{Weights: "q8_0"}); !slices.ContainsFunc(m.Rounded(), func(c model.Conversion) bool { return c.To == d && c.Note == "quantized already" }) {
					t.Errorf("--weights: %+v", m.Rounded())
				}
				a, report := golden.Export(t, few, "q8_0")
				b, _ := golden.Export(t, plain, "q8_0")
				if x, y := golden.Data(t, a), golden.Data(t, b); !slices.Equal(x, y) {
					t.Error("rounded again, a file differs from one that was rounded from the values")
				}
				for _, c := range report {
					if c.From == d && !strings.Contains(c.Note, "rounded again from "+d.String()) {
						t.Errorf("the report says %q of %s", c.Note, c.Name)
					}
				}
				if kernel.PanelRows() == 0 {
					return
				}
				out := filepath.Join(t.TempDir(), "x.native")
				if _, err := quantize.Export(context.Background(), few, out, quantize.ExportOptions{Native: true}); err == nil || !strings.Contains(err.Error(), "a type has to be given") {
					t.Errorf("native layout: %v", err)
				}
				if _, err := quantize.Export(context.Background(), few, out, quantize.ExportOptions{Native: true, Recipe: "q8_0"}); err != nil {
					t.Fatal(err)
				}
				was, _ := logits(a, checkpoint.Options{Precision: model.Fast})
				if got, _ := logits(out, checkpoint.Options{Precision: model.Fast}); !slices.Equal(got, was) {
					t.Error("native layout: other logits than the standard file's")
				}
			})
		}
	}
}

func totalBytes(m *model.Model) (params, bytes int64) {
	s := m.Sizes().Total()
	return s.Params, s.Bytes
}

// TestNativeKeepsFewBits asserts that a file of native layout with a few matrices in panels keeps the others' blocks.
func TestNativeKeepsFewBits(t *testing.T) {
	if kernel.PanelRows() == 0 {
		t.Skip("these kernels have no panels")
	}
	path, _ := golden.Export(t, golden.Wide(t, false), "q2_k")
	out := filepath.Join(t.TempDir(), "x.native")
	report, err := quantize.Export(context.Background(), path, out, quantize.ExportOptions{Native: true})
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, c := range report {
		if c.From == tensor.Q2_K && c.To == tensor.Q2_K && c.After == c.Before {
			kept++
		}
	}
	if kept < 8 {
		t.Errorf("%d matrices of Q2_K", kept)
	}
	for _, p := range []model.Precision{model.Exact, model.Fast} {
		a, b := golden.OpenPrecision(t, path, p), golden.OpenPrecision(t, out, p)
		ids := []int32{1, 2, 3, 250}
		want := (&golden.Golden{Model: a}).Forward(t, a.NewPass(), a.NewState(), ids)
		if got := (&golden.Golden{Model: b}).Forward(t, b.NewPass(), b.NewState(), ids); !slices.Equal(got, want) {
			t.Errorf("%v: other logits than the standard file's", p)
		}
	}
}

// TestUnknownFormat asserts that types which are not read are refused by name.
func TestUnknownFormat(t *testing.T) {
	source, _ := golden.Export(t, golden.Wide(t, false), "f32")
	for number, name := range map[uint32]string{40: "NVFP4", 41: "Q1_0", 15: "Q8_K", 99: "type 99"} {
		path := retyped(t, source, "blk.0.ssm_in.weight", number)
		if _, err := golden.OpenModel(path, checkpoint.Options{}); err == nil || !strings.Contains(err.Error(), "blk.0.ssm_in.weight: "+name+" is not supported, only F32, ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// retyped returns a copy of a GGUF file with one tensor of another type, by its number.
func retyped(t *testing.T, path, name string, number uint32) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte(name)) + len(name)
	at += 4 + 8*int(binary.LittleEndian.Uint32(b[at:])) // dimensions
	binary.LittleEndian.PutUint32(b[at:], number)
	out := filepath.Join(t.TempDir(), "retyped.gguf")
	if err := os.WriteFile(out, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}
