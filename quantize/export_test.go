package quantize_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/format/gguf"
	"jamba/format/safetensors"
	"jamba/internal/testutil"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/quantize"
	"jamba/quantize/recipe"
	"jamba/tensor"
)

// TestExport writes each reference checkpoint as GGUF, in float32, and expects the reference's logits: bit for bit those
// of the folder where no rows change places.
func TestExport(t *testing.T) {
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		if g.Name == "jamba-odd-tied" {
			_, err := quantize.Export(context.Background(), golden.Dir(g.Name), filepath.Join(t.TempDir(), "x.gguf"), quantize.ExportOptions{Recipe: "f32"})
			if err == nil || !strings.Contains(err.Error(), "in_proj.bias: GGUF has no tensor for it") {
				t.Fatalf("projection biases: %v", err)
			}
			return
		}
		path, report := golden.Export(t, golden.Dir(g.Name), "f32")
		m := golden.OpenPrecision(t, path, model.Exact)
		if len(golden.From(m).Unused()) > 0 {
			t.Errorf("tensors that the network does not use: %v", golden.From(m).Unused())
		}
		for _, c := range report {
			if c.To != tensor.F32 {
				t.Errorf("%+v", c)
			}
		}
		// The divisors of the frequencies belong to the settings.
		if before, after := report.Bytes(); after != m.Sizes().Total().Bytes && g.Name != "llama-rope-llama3" || before > after {
			t.Errorf("the report says %d and %d bytes, the model has %d", before, after, m.Sizes().Total().Bytes)
		}
		same := func(what string, a, b any) {
			if a != b {
				t.Errorf("%s is %v, in the folder %v", what, a, b)
			}
		}
		got, want := m.Config, g.Model.Config
		same("vocab_size", got.VocabSize, want.VocabSize)
		same("bos", got.BOSTokenID, want.BOSTokenID)
		same("pad", got.PADTokenID, want.PADTokenID)
		same("tied", got.TieWordEmbeddings, want.TieWordEmbeddings)
		if !slices.Equal(got.EOSTokenIDs, want.EOSTokenIDs) {
			t.Errorf("eos %v, in the folder %v", got.EOSTokenIDs, want.EOSTokenIDs)
		}
		if want.MaxPositionEmbeddings > 0 {
			same("max_position_embeddings", got.MaxPositionEmbeddings, want.MaxPositionEmbeddings)
		}
		for i, l := range got.Layers {
			same("layer", l.String(), want.Layers[i].String())
		}
		logits := (&golden.Golden{Model: m}).Forward(t, m.NewPass(), m.NewState(), g.IDs)
		reference, _ := g.Tensors.Floats("logits")
		g.Near(t, "logits", logits, reference)
		if got.Layers[0].Attention == nil || got.Layers[0].Attention.RoPE == nil {
			folder := g.Forward(t, g.Model.NewPass(), g.Model.NewState(), g.IDs)
			for i := range folder {
				if math.Float32bits(folder[i]) != math.Float32bits(logits[i]) {
					t.Fatalf("logit %d is %v, from the folder %v", i, logits[i], folder[i])
				}
			}
		}
	})
}

// TestExportTypes rounds a checkpoint in every way: the more bits, the nearer, and a file rounded from another
// file is the same as one from the folder.
func TestExportTypes(t *testing.T) {
	dir := golden.Dir("jamba-v01-mini")
	g := golden.Open(t, dir)
	want := g.Forward(t, g.Model.NewPass(), g.Model.NewState(), g.IDs)
	f32, _ := golden.Export(t, dir, "f32")
	for recipe, limit := range map[recipe.Recipe]float64{
		"f16": 0.002, "bf16": 0.02, "q8_0": 0.07, "q6_k": 0.07, "q5_k_m": 0.3, "q5_1": 0.3, "q5_0": 0.35, "q4_k_m": 0.35, "q3_k_l": 0.6, "q3_k_m": 0.6, "q3_k_s": 0.6, "q2_k": 0.6, "q4_1": 0.6, "q4_0": 0.6,
	} {
		path, report := golden.Export(t, dir, recipe)
		again, _ := golden.Export(t, f32, recipe)
		if a, b := golden.Data(t, path), golden.Data(t, again); !slices.Equal(a, b) {
			t.Errorf("%s: from the folder and from a GGUF file differ", recipe)
		}
		m := golden.OpenPrecision(t, path, model.Exact)
		got := (&golden.Golden{Model: m}).Forward(t, m.NewPass(), m.NewState(), g.IDs)
		if d := golden.MeanDiff(got, want); !(d <= limit) || d == 0 {
			t.Errorf("%s: mean abs difference %.3g, want at most %v", recipe, d, limit)
		} else {
			t.Logf("%s: %.4f", recipe, d)
		}
		for _, c := range report {
			exact := c.Kept || c.To == c.From
			if exact != (c.To == tensor.F32) || c.Kept && c.Note == "" {
				t.Errorf("%s: %+v", recipe, c)
			}
		}
	}
}

// TestExportKeepsMetadata rounds a GGUF file: all of its metadata but the type stays.
func TestExportKeepsMetadata(t *testing.T) {
	f32, _ := golden.Export(t, golden.Dir("jamba-v01-mini"), "f32")
	f, err := gguf.Open(f32)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var tensors []gguf.Source
	for _, info := range f.Tensors() {
		x, err := f.Tensor(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, gguf.FromTensor(x))
	}
	own := []gguf.KV{{Key: "general.alignment", Value: uint32(64)}, {Key: "my.key", Value: []string{"a", "b"}}, {Key: "tokenizer.chat_template", Value: "{{ x }}"}}
	in := filepath.Join(t.TempDir(), "in.gguf")
	if err := gguf.WriteFile(in, append(slices.Clone(f.Metadata), own...), tensors); err != nil {
		t.Fatal(err)
	}
	out, report := golden.Export(t, in, "q8_0")
	got, err := gguf.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if n := len(got.Metadata); n != len(f.Metadata)+len(own) {
		t.Errorf("%d keys, want %d", n, len(f.Metadata)+len(own))
	}
	if v, _ := gguf.Get[int](got.Metadata, "general.file_type"); v != 7 {
		t.Errorf("general.file_type is %d, want 7", v)
	}
	if v, _ := gguf.Get[[]string](got.Metadata, "my.key"); !slices.Equal(v, []string{"a", "b"}) {
		t.Errorf("my.key is %v", v)
	}
	again, second := golden.Export(t, out, "q4_0")
	for i, c := range second {
		if wide := report[i].To == tensor.Q8_0 && c.To != tensor.Q8_0; wide != strings.Contains(c.Note, "rounded again from Q8_0") {
			t.Errorf("%+v", c)
		}
	}
	if same, _ := golden.Export(t, again, "q4_0"); !slices.Equal(golden.Data(t, again), golden.Data(t, same)) {
		t.Error("a file in the type that it has changes")
	}
}

// TestExportErrors expects no file after an error, and errors that say where.
func TestExportErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(x float32) string {
		set, err := safetensors.OpenDir(golden.Dir("jamba-v01-mini"))
		if err != nil {
			t.Fatal(err)
		}
		defer set.Close()
		sub := t.TempDir()
		if err := os.CopyFS(sub, os.DirFS(golden.Dir("jamba-v01-mini"))); err != nil {
			t.Fatal(err)
		}
		const part = "model.layers.2.feed_forward.up_proj.weight"
		bad, err := set.Tensor(part)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(sub, "model.safetensors")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		at := strings.Index(string(b), string(bad.Data[:64]))
		row := bad.Shape[1] * 4
		copy(b[at+3*row+8:], tensor.Bytes([]float32{x}))
		if err := os.WriteFile(file, b, 0o666); err != nil {
			t.Fatal(err)
		}
		return sub
	}
	out := filepath.Join(dir, "out", "x.gguf")
	if err := os.Mkdir(filepath.Dir(out), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		x      float32
		recipe recipe.Recipe
		want   string
	}{
		{float32(math.NaN()), "q8_0", "blk.2.ffn_up.weight: row 3: value 2 is NaN"},
		{float32(math.Inf(1)), "q4_0", "blk.2.ffn_up.weight: row 3: value 2 is +Inf"},
		{1e30, "q8_0", "blk.2.ffn_up.weight: row 3: quant: Q8_0: values 0 to 31 need a scale or minimum that overflows F16"},
		{1e30, "f16", "blk.2.ffn_up.weight: row 3: quant: F16: value 2 is 1e+30, which overflows"},
	} {
		_, err := quantize.Export(context.Background(), write(c.x), out, quantize.ExportOptions{Recipe: c.recipe})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v to %s: error %v, want %s", c.x, c.recipe, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err := quantize.Export(ctx, golden.Dir("jamba-v01-mini"), out, quantize.ExportOptions{Recipe: "q8_0", Progress: func(done, total int64) {
		if done > total/2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := quantize.Export(context.Background(), golden.Dir("jamba-v01-mini"), out, quantize.ExportOptions{Recipe: "iq2_xs"}); err == nil || !strings.Contains(err.Error(), "q4_k_m") {
		t.Errorf("iq2_xs: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(out)); len(left) > 0 {
		t.Errorf("errors leave %v", left)
	}
}

// TestExportEnds expects as many of the tokens that end an answer as GGUF has keys for, the tokenizer's first if it is one.
func TestExportEnds(t *testing.T) {
	text := gguf.Metadata{{Key: "tokenizer.ggml.model", Value: "llama"}, {Key: "tokenizer.ggml.eos_token_id", Value: uint32(5)}}
	for _, c := range []struct{ ends, want []int32 }{
		{[]int32{7}, []int32{7}},
		{[]int32{7, 5, 9}, []int32{5, 7, 9}},
		{nil, []int32{2}}, // config.json's
		{[]int32{7, 8, 9, 10}, []int32{7, 8, 9}},
	} {
		out := filepath.Join(t.TempDir(), "x.gguf")
		_, err := quantize.Export(context.Background(), golden.Dir("llama-tiny"), out, quantize.ExportOptions{Recipe: "f32", Text: text, Ends: c.ends})
		if err != nil {
			t.Fatal(err)
		}
		m := golden.OpenPrecision(t, out, model.Exact)
		if !slices.Equal(m.Config.EOSTokenIDs, c.want) {
			t.Errorf("%v: %v, want %v", c.ends, m.Config.EOSTokenIDs, c.want)
		}
	}
}

// TestExportRoPE writes settings of rotary embedding that the reference checkpoints do not have.
func TestExportRoPE(t *testing.T) {
	for old, c := range map[string]struct{ add, err string }{
		`"factor":`:    {`"attention_factor": 1.3, "beta_slow": 2.0, "factor":`, ""},
		`"rope_type":`: {`"truncate": false, "rope_type":`, "GGUF has no setting for it"},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(golden.Dir("llama-rope-yarn"))); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "config.json")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), old) {
			t.Fatalf("no %s in %s", old, b)
		}
		if err := os.WriteFile(file, []byte(strings.Replace(string(b), old, c.add, 1)), 0o666); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "x.gguf")
		_, err = quantize.Export(context.Background(), dir, out, quantize.ExportOptions{Recipe: "f32"})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v", c.add, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		g := golden.Open(t, dir)
		m := golden.OpenPrecision(t, out, model.Exact)
		want := g.Forward(t, g.Model.NewPass(), g.Model.NewState(), g.IDs)
		reference, _ := g.Tensors.Floats("logits")
		if d := testutil.MaxDiff(t, want, reference); d < 0.01 {
			t.Errorf("%s changes the logits by %v only", c.add, d)
		}
		g.Near(t, c.add, (&golden.Golden{Model: m}).Forward(t, m.NewPass(), m.NewState(), g.IDs), want)
	}
}
