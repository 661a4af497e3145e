package golden

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/format/gguf"
	"jamba/format/safetensors"
	"jamba/internal/kernel"
	"jamba/internal/testutil"
	"jamba/model"
	"jamba/quantize"
	"jamba/quantize/recipe"
	"jamba/tensor"
)

// Put writes a file of a folder.
func Put(t *testing.T, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Damaged returns a copy of a reference checkpoint after changes to its config and its safetensors header and data.
func Damaged(t *testing.T, name string, config func(map[string]any), file func(header map[string]any, data []byte)) string {
	t.Helper()
	dir := t.TempDir()
	c := testutil.JSON[map[string]any](t, testutil.Golden("models", name, "config.json"))
	if config != nil {
		config(c)
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	Put(t, dir, "config.json", b)
	b, err = os.ReadFile(testutil.Golden("models", name, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b)
	var header map[string]any
	if err := json.Unmarshal(b[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	data := bytes.Clone(b[8+n:])
	if file != nil {
		file(header, data)
	}
	h, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(h)))
	Put(t, dir, "model.safetensors", append(append(out, h...), data...))
	return dir
}

// Export writes a model as a GGUF file.
func Export(t *testing.T, path string, r recipe.Recipe) (string, recipe.Report) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.gguf")
	report, err := quantize.Export(context.Background(), path, out, quantize.ExportOptions{Recipe: r})
	if err != nil {
		t.Fatal(err)
	}
	return out, report
}

// Data returns the bytes of all tensors, by name.
func Data(t *testing.T, path string) []byte {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []byte
	infos := f.Tensors()
	slices.SortFunc(infos, func(a, b gguf.Info) int { return strings.Compare(a.Name, b.Name) })
	for _, info := range infos {
		x, err := f.Tensor(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, info.Name+x.DType.String()...), x.Data...)
	}
	return all
}

// Wide writes a Jamba whose rows are whole super-blocks, of new weights, and returns its folder.
func Wide(t *testing.T, tied bool) string {
	t.Helper()
	mamba := &model.Mamba{DInner: 512, DState: 16, DConv: 4, DtRank: 32, ConvBias: true, InnerNorms: true, NormEps: 1e-6}
	moe := &model.MoE{IntermediateSize: 256, NumExperts: 3, NumExpertsPerTok: 2}
	c := model.Config{
		Architecture: "jamba", VocabSize: 300, HiddenSize: 256, RMSNormEps: 1e-6, TieWordEmbeddings: tied, BOSTokenID: 1, PADTokenID: -1,
		EOSTokenIDs: []int32{2},
		Layers: []model.Layer{
			{Mamba: mamba, MLP: &model.MLP{IntermediateSize: 256}},
			{Attention: &model.Attention{NumAttentionHeads: 4, NumKeyValueHeads: 2, HeadDim: 64}, MoE: moe},
		},
	}
	m, err := model.New(c, 1, model.InitializerRange)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b, err := checkpoint.WriteConfig(&c, tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	Put(t, dir, "config.json", b)
	var entries []safetensors.Entry
	for _, p := range m.Params() {
		entries = append(entries, safetensors.Of(tensor.FromFloat32s(p.Name, p.Value, p.Shape...)))
	}
	if err := safetensors.WriteFile(filepath.Join(dir, "model.safetensors"), entries, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// ExportNative skips the test if the kernels in use have no panels.
func ExportNative(t *testing.T, path string, r recipe.Recipe) (string, recipe.Report) {
	t.Helper()
	if kernel.PanelRows() == 0 {
		t.Skipf("the kernels in use, %s, have no panels", kernel.Tier())
	}
	out := filepath.Join(t.TempDir(), "out.native")
	report, err := quantize.Export(context.Background(), path, out, quantize.ExportOptions{Recipe: r, Native: true})
	if err != nil {
		t.Fatal(err)
	}
	return out, report
}
