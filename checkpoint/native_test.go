package checkpoint_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"jamba/checkpoint"
	"jamba/format/gguf"
	"jamba/internal/kernel"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/model/state"
	"jamba/quantize"
	"jamba/quantize/recipe"
	"jamba/tensor"
)

// TestNative expects of native files what the standard file of the same recipe gives, bit for bit, in both precisions,
// whether they are made from the folder or from that file.
func TestNative(t *testing.T) {
	cases := map[string][]recipe.Recipe{
		golden.Dir("jamba-v01-mini"):         {"q8_0", "q6_k", "q5_k_m", "q4_k_m", "q5_1", "q5_0", "q4_1", "q4_0", "bf16"},
		golden.Dir("jamba-attn-moe-sharded"): {"q4_1"},
		golden.Dir("llama-rope-llama3"):      {"q8_0"},
		golden.Dir("mixtral-tiny"):           {"q4_0"},
		golden.Dir("mamba-tiny"):             {"q5_0"},
		golden.Wide(t, false):                {"q4_k_m", "q5_k_m", "q6_k", "q5_1"},
		golden.Wide(t, true):                 {"q4_k_m", "q5_k_m", "q8_0"},
	}
	types := map[tensor.DType]bool{}
	for dir, recipes := range cases {
		for _, r := range recipes {
			t.Run(filepath.Base(dir)+"/"+string(r), func(t *testing.T) {
				path, report := golden.Export(t, dir, r)
				native, nativeReport := golden.ExportNative(t, dir, r)
				checkNative(t, path, native, r != "bf16")
				for i, c := range nativeReport {
					types[c.To] = true
					if c.After < report[i].After*99/100 {
						t.Errorf("%s takes %d bytes, in a standard file %d", c.Name, c.After, report[i].After)
					}
					if report[i].After, report[i].Note = c.After, c.Note; cmp.Diff(report[i], c) != "" {
						t.Errorf("%+v, in a standard file %+v", c, report[i])
					}
				}
				if r == "bf16" {
					_, err := quantize.Export(context.Background(), path, native, quantize.ExportOptions{Native: true})
					if err == nil || !strings.Contains(err.Error(), "no matrices of a type that lies in panels, which could be kept") {
						t.Errorf("error %v", err)
					}
					return
				}
				kept, _ := golden.ExportNative(t, path, "")
				checkNative(t, path, kept, true)
				if a, b := rawData(t, native), rawData(t, kept); !bytes.Equal(a, b) {
					t.Error("from the folder and from the standard file differ")
				}
			})
		}
	}
	for _, d := range []tensor.DType{tensor.Q8_0, tensor.Q4_0, tensor.Q4_1, tensor.Q5_0, tensor.Q5_1, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K, tensor.BF16} {
		if !types[d] && kernel.PanelRows() > 0 {
			t.Errorf("no matrix of type %v", d)
		}
	}
}

// TestNativeInt8 expects of native files with one scale a row what the types that standard files have give, nearly.
func TestNativeInt8(t *testing.T) {
	dir := golden.Dir("jamba-v01-mini")
	g := golden.Open(t, dir)
	want, _ := g.Tensors.Floats("logits")
	for _, r := range []recipe.Recipe{recipe.Int8, recipe.ExpertsInt8} {
		native, report := golden.ExportNative(t, dir, r)
		count := 0
		for _, c := range report {
			if c.To == tensor.INT8 {
				count++
			}
		}
		if count == 0 {
			t.Errorf("%s: no matrix has one scale a row", r)
		}
		var all [2][]float32
		for i, p := range []model.Precision{model.Exact, model.Fast} {
			m := golden.OpenPrecision(t, native, p)
			all[i] = (&golden.Golden{Model: m}).Forward(t, m.NewPass(), m.NewState(), g.IDs)
			if integers := m.Sizes().Total().IntegerParams; (integers > 0) != (p == model.Fast) {
				t.Errorf("%s, %v: %d parameters are multiplied as integers", r, p, integers)
			}
			if d := golden.MeanDiff(all[i], want); d == 0 || d > 0.08 {
				t.Errorf("%s, %v: mean abs difference %.3g to the reference", r, p, d)
			}
		}
		if d := golden.MeanDiff(all[0], all[1]); d == 0 || d > 0.02 {
			t.Errorf("%s: mean abs difference %.3g of the passes", r, d)
		}
		_, err := quantize.Export(context.Background(), dir, native, quantize.ExportOptions{Recipe: r})
		if err == nil || !strings.Contains(err.Error(), string(r)+" is for files of layout native") {
			t.Errorf("a standard file in %s: error %v", r, err)
		}
	}
}

// checkNative compares a native file, which may have matrices in panels, with a standard one.
func checkNative(t *testing.T, standard, native string, panels bool) {
	t.Helper()
	for _, p := range []model.Precision{model.Fast, model.Exact} {
		want, got := golden.OpenPrecision(t, standard, p), golden.OpenPrecision(t, native, p)
		if golden.From(want).Native != nil || golden.From(got).Native == nil || kernel.PanelRows() > 0 && golden.From(got).Native.Rows != kernel.PanelRows() {
			t.Fatalf("layouts %+v and %+v", golden.From(want).Native, golden.From(got).Native)
		}
		all := golden.OpenPrecision(t, standard, model.Exact).InPlace()
		_, known := state.Available() // there is room for models as small as these, where it is known
		moves := known && kernel.LargePages()
		wantPlace, gotPlace := all, all
		if p == model.Fast && moves {
			wantPlace = 0
		}
		if p == model.Fast && moves && !panels {
			gotPlace = 0
		}
		some := p == model.Fast && known && !kernel.LargePages() && !panels // of the matrices are copied, those that become smaller
		if !some && (got.InPlace() != gotPlace || (moves && kernel.PanelRows() > 0 || p == model.Exact) && want.InPlace() != wantPlace) {
			t.Errorf("%v: %d bytes are used in place, want %d, in a standard file %d, want %d", p, got.InPlace(), gotPlace, want.InPlace(), wantPlace)
		}
		if packed := want.Sizes().Total().IntegerParams > 0; packed != (p == model.Fast && panels && kernel.PanelRows() > 0) {
			t.Errorf("%v: a standard file's matrices are multiplied as integers: %v", p, packed)
		}
		if diff := cmp.Diff(want.Config, got.Config); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(want.Sizes(), got.Sizes()); diff != "" {
			t.Errorf("%v: other sizes: %s", p, diff)
		}
		if whole := got.Sizes().Total().IntegerParams; !strings.HasSuffix(t.Name(), "bf16") && (whole > 0) != (p == model.Fast && kernel.PanelRows() > 0) {
			t.Errorf("%v: %d parameters are multiplied as integers", p, whole)
		}
		if diff := cmp.Diff(golden.From(want).Unused(), golden.From(got).Unused()); diff != "" {
			t.Error(diff)
		}
		ids := []int32{1, 7, 3, 150, 33, 1, 0, 63, 42, 17, 5, 5, 60}
		for i := range ids {
			ids[i] %= int32(got.Config.VocabSize)
		}
		a := (&golden.Golden{Model: want}).Forward(t, want.NewPass(), want.NewState(), ids)
		b := (&golden.Golden{Model: got}).Forward(t, got.NewPass(), got.NewState(), ids)
		if !slices.Equal(a, b) {
			t.Errorf("%v: other logits than those of the standard file", p)
		}
	}
}

// rawData returns the names and bytes of all tensors, of those in native files, too, and asserts that they are aligned.
func rawData(t *testing.T, path string) []byte {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []byte
	for _, info := range sortedTensors(f) {
		b, err := f.Bytes(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		if uintptr(unsafe.Pointer(&b[0]))%64 != 0 || info.Type == gguf.I8 && info.Shape[len(info.Shape)-1]%64 != 0 {
			t.Errorf("%s %v is not aligned", info.Name, info.Shape)
		}
		all = append(append(all, info.Name+info.Type.String()...), b...)
	}
	return all
}

func sortedTensors(f *gguf.File) []gguf.Info {
	infos := f.Tensors()
	slices.SortFunc(infos, func(a, b gguf.Info) int { return strings.Compare(a.Name, b.Name) })
	return infos
}

// TestNativeTiers opens a native file with other kernels than it was made for.
func TestNativeTiers(t *testing.T) {
	native, _ := golden.ExportNative(t, golden.Dir("jamba-v01-mini"), "q4_1")
	standard, _ := golden.Export(t, golden.Dir("jamba-v01-mini"), "q4_1")
	other := 24 - kernel.PanelRows()
	wrong := rewrite(t, native, func(f *nativeFile) {
		f.set("rows", uint32(other))
		plain, err := gguf.Open(standard)
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close()
		for i, s := range f.tensors {
			if !s.Bytes {
				continue
			}
			x, err := plain.Tensor(strings.TrimSuffix(s.Name, filepath.Ext(s.Name)))
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			n, k := x.Shape[len(x.Shape)-2], x.Shape[len(x.Shape)-1]
			w, err := kernel.NewPanelWriter(&b, x.DType, other, n, k)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(x.Data); err != nil {
				t.Fatal(err)
			}
			f.data[s.Name] = b.Bytes()
			f.tensors[i].Shape[len(s.Shape)-1] = b.Len() / (x.Numel() / n / k)
		}
	})
	ids := []int32{1, 7, 3, 250, 33}
	a, b := golden.OpenPrecision(t, standard, model.Exact), golden.OpenPrecision(t, wrong, model.Exact)
	if !slices.Equal((&golden.Golden{Model: a}).Forward(t, a.NewPass(), a.NewState(), ids), (&golden.Golden{Model: b}).Forward(t, b.NewPass(), b.NewState(), ids)) {
		t.Errorf("other logits from panels of %d rows", other)
	}
	_, err := golden.OpenModel(wrong, checkpoint.Options{Precision: model.Fast})
	want := fmt.Sprintf("made for panels of %d rows; the kernels in use here, %s, take %d: make it again from model.safetensors with jamba quantize --layout native",
		other, kernel.Tier(), kernel.PanelRows())
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	defer func() { _ = kernel.SetTier(os.Getenv("JAMBA_CPU")) }()
	if err := kernel.SetTier("generic"); err != nil {
		t.Fatal(err)
	}
	checkNative(t, standard, native, true)
	_, err = quantize.Export(context.Background(), standard, native, quantize.ExportOptions{Native: true})
	if err == nil || !strings.Contains(err.Error(), "the kernels in use, generic, have no panels") {
		t.Errorf("written for plain Go: %v", err)
	}
}

// TestNativeMetadata compares keys with the source's and sums with those of the files.
func TestNativeMetadata(t *testing.T) {
	dir := golden.Dir("jamba-attn-moe-sharded")
	standard, _ := golden.Export(t, dir, "q8_0")
	ofFile, _ := golden.ExportNative(t, standard, "")
	again, _ := golden.ExportNative(t, standard, "q4_0")
	ofDir, _ := golden.ExportNative(t, dir, "q8_0")
	shards, err := filepath.Glob(filepath.Join(dir, "model-*.safetensors"))
	if err != nil || len(shards) < 2 {
		t.Fatal(shards, err)
	}
	for path, sources := range map[string][]string{ofFile: {standard}, again: {standard}, ofDir: shards} {
		m := golden.OpenPrecision(t, path, model.Exact)
		if len(golden.From(m).Native.Sources) != len(sources) {
			t.Fatalf("made from %v, want %v", golden.From(m).Native.Sources, sources)
		}
		for i, file := range sources {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if want := (checkpoint.SourceFile{Name: filepath.Base(file), SHA256: fmt.Sprintf("%x", sha256.Sum256(b))}); golden.From(m).Native.Sources[i] != want {
				t.Errorf("made from %v, want %v", golden.From(m).Native.Sources[i], want)
			}
		}
	}
	keys := func(path string) map[string]any {
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		all := map[string]any{}
		for _, kv := range f.Metadata {
			if !strings.HasPrefix(kv.Key, "jamba.native.") && kv.Key != "general.alignment" && kv.Key != "general.architecture" {
				all[kv.Key] = kv.Value
			}
		}
		return all
	}
	if diff := cmp.Diff(keys(standard), keys(ofFile)); diff != "" {
		t.Error(diff)
	}
	if v := keys(again)["general.file_type"]; v != uint32(2) {
		t.Errorf("general.file_type %v, want 2", v)
	}
}

// TestNativePlain expects what is not multiplied in panels as it was.
func TestNativePlain(t *testing.T) {
	for _, tied := range []bool{false, true} {
		standard, _ := golden.Export(t, golden.Wide(t, tied), "q8_0")
		row := make([]byte, 34*8)
		standard = rewrite(t, standard, func(f *nativeFile) {
			for i := range row {
				row[i] = byte(i)
			}
			f.tensors = append(f.tensors, gguf.Source{Name: "unused.weight", DType: tensor.Q8_0, Shape: []int{4, 64}, Data: func(w io.Writer) error {
				_, err := w.Write(row)
				return err
			}})
		})
		native, _ := golden.ExportNative(t, standard, "")
		checkNative(t, standard, native, true)
		f, err := gguf.Open(native)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if x, err := f.Tensor("unused.weight"); err != nil || x.DType != tensor.Q8_0 || !bytes.Equal(x.Data, row) {
			t.Errorf("the unused tensor is %v (%v)", x.DType, err)
		}
		if _, err := f.Tensor("token_embd.weight"); (err == nil) == tied {
			t.Errorf("tied %v: the plain embedding: %v", tied, err)
		}
	}
}

// TestNativeRefused has native files used for what they are not for, and made from what has no types to keep.
func TestNativeRefused(t *testing.T) {
	native, _ := golden.ExportNative(t, golden.Dir("jamba-v01-mini"), "q8_0")
	out := filepath.Join(t.TempDir(), "x.gguf")
	if _, err := golden.OpenModel(native, checkpoint.Options{Weights: "q4_0"}); err == nil ||
		!strings.Contains(err.Error(), "its layout is native, its weights are rounded already; round those of what it was made from, model.safetensors") {
		t.Errorf("with weights: %v", err)
	}
	for _, toNative := range []bool{false, true} {
		if _, err := quantize.Export(context.Background(), native, out, quantize.ExportOptions{Recipe: "q4_0", Native: toNative}); err == nil ||
			!strings.Contains(err.Error(), "quantize what it was made from, model.safetensors") {
			t.Errorf("as a source: %v", err)
		}
	}
	if _, err := quantize.Export(context.Background(), golden.Dir("jamba-v01-mini"), out, quantize.ExportOptions{Native: true}); err == nil || !strings.Contains(err.Error(), "a type has to be given") {
		t.Errorf("a folder without a type: %v", err)
	}
	if _, err := quantize.Export(context.Background(), golden.Dir("jamba-v01-mini"), out, quantize.ExportOptions{}); err == nil || !strings.Contains(err.Error(), `type "" is not known`) {
		t.Errorf("a standard file without a type: %v", err)
	}
	for part := range int64(10) { // while reading the source for its sum, and while packing
		ctx, cancel := context.WithCancel(context.Background())
		_, err := quantize.Export(ctx, golden.Dir("jamba-v01-mini"), out, quantize.ExportOptions{Recipe: "q8_0", Native: true, Progress: func(done, total int64) {
			if done > total {
				t.Errorf("%d of %d bytes are done", done, total)
			}
			if done > part*total/10 {
				cancel()
			}
		}})
		if err == nil || ctx.Err() == nil {
			t.Errorf("interrupted at %d/10: %v", part, err)
		}
		cancel()
	}
	if left, _ := os.ReadDir(filepath.Dir(out)); len(left) > 0 {
		t.Errorf("errors leave %v", left)
	}
}

// nativeFile is a file to be damaged.
type nativeFile struct {
	metadata gguf.Metadata
	tensors  []gguf.Source
	data     map[string][]byte
}

func (f *nativeFile) set(key string, v any) {
	for i, kv := range f.metadata {
		if kv.Key == "jamba.native."+key {
			f.metadata[i].Value = v
		}
	}
}

func (f *nativeFile) remove(key string) {
	f.metadata = slices.DeleteFunc(f.metadata, func(kv gguf.KV) bool { return kv.Key == "jamba.native."+key })
}

// tensor returns the tensor of that name, its bytes cut or extended to those of shape.
func (f *nativeFile) tensor(name string, shape ...int) *gguf.Source {
	for i, s := range f.tensors {
		if s.Name != name {
			continue
		}
		if size, err := tensor.Numel(shape); err == nil && shape != nil {
			f.data[name] = append(f.data[name], make([]byte, size)...)[:size]
			f.tensors[i].Shape = shape
		}
		return &f.tensors[i]
	}
	panic("no tensor " + name)
}

func rewrite(t *testing.T, path string, change func(f *nativeFile)) string {
	t.Helper()
	file, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	f := &nativeFile{slices.Clone(file.Metadata), nil, map[string][]byte{}}
	for _, info := range file.Tensors() {
		b, err := file.Bytes(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		d, ok := info.Type.DType()
		f.data[info.Name] = bytes.Clone(b)
		f.tensors = append(f.tensors, gguf.Source{Name: info.Name, DType: d, Bytes: !ok, Shape: info.Shape, Data: func(w io.Writer) error {
			_, err := w.Write(f.data[info.Name])
			return err
		}})
	}
	change(f)
	out := filepath.Join(t.TempDir(), "rewritten.gguf")
	if err := gguf.WriteFile(out, f.metadata, f.tensors); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestNativeMalformed(t *testing.T) {
	native, _ := golden.ExportNative(t, golden.Wide(t, true), "q8_0")
	for _, c := range []struct {
		want   string
		change func(f *nativeFile)
	}{
		{"native layout of version 1, this program reads 3: make the file again", func(f *nativeFile) { f.set("version", uint32(1)) }},
		{"key jamba.native.version", func(f *nativeFile) { f.remove("version") }},
		{"key jamba.native.rows", func(f *nativeFile) { f.remove("rows") }},
		{"key jamba.native.rows: is string, want integer", func(f *nativeFile) { f.set("rows", "8") }},
		{"panels of 4 rows are not known; 8 and 16 are", func(f *nativeFile) { f.set("rows", uint32(4)) }},
		{"panels of -8 rows are not known", func(f *nativeFile) { f.set("rows", int32(-8)) }},
		{"key jamba.native.architecture", func(f *nativeFile) { f.remove("architecture") }},
		{`architecture "gemma" is not supported`, func(f *nativeFile) { f.set("architecture", "gemma") }},
		{"key jamba.native.sha256", func(f *nativeFile) { f.remove("sha256") }},
		{"source names 1 files, jamba.native.sha256 has 2 sums", func(f *nativeFile) { f.set("sha256", []string{"a", "b"}) }},
		{"token_embd.weight.q8_0: ", func(f *nativeFile) { f.set("vocab_size", uint32(400)) }},
		{"vocab_size", func(f *nativeFile) { f.set("vocab_size", uint32(0)) }},
		{"vocab_size", func(f *nativeFile) { f.set("vocab_size", uint64(1<<62)) }},
		{"vocab_size", func(f *nativeFile) { f.set("vocab_size", int64(-300)) }},
		{"blk.0.ssm_in.weight.q8_0: 64 bytes of panels, want 278528 for Q8_0 [1024, 256]", func(f *nativeFile) { f.tensor("blk.0.ssm_in.weight.q8_0", 64) }},
		{"blk.0.ssm_in.weight.q8_0: 278592 bytes of panels", func(f *nativeFile) { f.tensor("blk.0.ssm_in.weight.q8_0", 278592) }},
		{"blk.0.ssm_in.weight.q4_0: 278528 bytes of panels, want 147456 for Q4_0", func(f *nativeFile) { f.tensor("blk.0.ssm_in.weight.q8_0").Name = "blk.0.ssm_in.weight.q4_0" }},
		{"blk.0.ssm_dt.weight.q4_k: a row of 32 values is no multiple of the Q4_K block", func(f *nativeFile) { f.tensor("blk.0.ssm_dt.weight.q8_0").Name = "blk.0.ssm_dt.weight.q4_k" }},
		{"tensor blk.0.ssm_in.weight is missing", func(f *nativeFile) { f.tensor("blk.0.ssm_in.weight.q8_0").Name = "blk.0.ssm_in.weight.q8" }},
		{"tensor blk.0.ssm_in.weight is missing", func(f *nativeFile) { f.tensor("blk.0.ssm_in.weight.q8_0").Name = "blk.0.ssm_in.weight.f32" }},
		{"tensor blk.0.ssm_in.weight is there already", func(f *nativeFile) {
			f.tensor("output_norm.weight").Name = "x"
			f.tensor("blk.0.ssm_conv1d.bias").Name = "blk.0.ssm_in.weight.q4_0"
			f.tensor("blk.0.ssm_in.weight.q4_0").Bytes = true
			f.data["blk.0.ssm_conv1d.bias"] = make([]byte, 512)
		}},
		{"tensor blk.0.attn_norm.weight: ", func(f *nativeFile) {
			f.tensor("blk.0.attn_norm.weight").Bytes = true
			f.tensor("blk.0.attn_norm.weight").Name = "blk.0.attn_norm.weight.q8_0"
			f.data["blk.0.attn_norm.weight"] = make([]byte, 256)
		}},
		{"blk.1.ffn_gate_exps.weight.q8_0: 139264 bytes of panels for 3 matrices", func(f *nativeFile) { f.tensor("blk.1.ffn_gate_exps.weight.q8_0", 2, 69632) }},
		{"blk.1.ffn_gate_exps.weight.q8_0: 92928 bytes of panels, want 69632", func(f *nativeFile) { f.tensor("blk.1.ffn_gate_exps.weight.q8_0", 3, 92928) }},
	} {
		path := rewrite(t, native, c.change)
		for _, p := range []model.Precision{model.Exact, model.Fast} {
			_, err := golden.OpenModel(path, checkpoint.Options{Precision: p})
			wrongHeight := p == model.Fast && err != nil && strings.Contains(err.Error(), "made for panels of")
			if err == nil || !strings.Contains(err.Error(), c.want) && !wrongHeight || !strings.Contains(err.Error(), path) {
				t.Errorf("%v: error %v, want %s", p, err, c.want)
			}
		}
	}
	b, err := os.ReadFile(native)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{len(b) - 1, len(b) - 4096, len(b) / 2, 3000, 100} {
		path := filepath.Join(t.TempDir(), "cut")
		golden.Put(t, filepath.Dir(path), "cut", b[:n])
		if _, err := golden.OpenModel(path, checkpoint.Options{}); err == nil {
			t.Errorf("%d of %d bytes are enough", n, len(b))
		}
	}
}

// TestNativeHostile computes with panels of random bytes, and opens files with random bytes among their keys and names:
// what comes of it is any logits or an error.
func TestNativeHostile(t *testing.T) {
	native, _ := golden.ExportNative(t, golden.Wide(t, true), "q4_k_m")
	r := rand.New(rand.NewPCG(5, 5))
	for range 3 {
		path := rewrite(t, native, func(f *nativeFile) {
			for _, s := range f.tensors {
				for i, b := range f.data[s.Name] {
					if s.Bytes && r.IntN(100) > 0 {
						f.data[s.Name][i] = b ^ byte(r.Uint32())
					}
				}
			}
		})
		for _, p := range []model.Precision{model.Exact, model.Fast} {
			m := golden.OpenPrecision(t, path, p)
			_, err := m.NewPass().Logits(context.Background(), model.Span{State: m.NewState(), Tokens: []int32{1, 299, 7}})
			if err != nil && !strings.Contains(err.Error(), "layer") {
				t.Error(err)
			}
		}
	}
	b, err := os.ReadFile(native)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	opened := 0
	for range 100 {
		bad := bytes.Clone(b)
		for range 1 + r.IntN(3) {
			bad[r.IntN(4096)] = byte(r.Uint32())
		}
		golden.Put(t, dir, "bad", bad)
		for _, p := range []model.Precision{model.Exact, model.Fast} {
			m, err := golden.OpenModel(filepath.Join(dir, "bad"), checkpoint.Options{Precision: p})
			if err != nil {
				continue
			}
			opened++
			_, _ = m.NewPass().Logits(context.Background(), model.Span{State: m.NewState(), Tokens: []int32{1, 2}})
			m.Close()
		}
	}
	t.Logf("%d of 200 could be opened", opened)
}
