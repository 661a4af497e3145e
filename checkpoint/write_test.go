package checkpoint

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jamba/format/safetensors"
	"jamba/internal/testutil"
	"jamba/internal/testutil/blocks"
	"jamba/model"
	"jamba/tensor"
)

// A checkpoint of the reference that is read and written is the same model: settings, tensors and, in HF's words, the
// settings that HF's classes compute with. Set JAMBA_WRITE_TO to a folder to keep what is written.
func TestWriteGoldens(t *testing.T) {
	dirs, err := filepath.Glob(testutil.Golden("models", "*", "config.json"))
	if err != nil || len(dirs) < 13 {
		t.Fatal(dirs, err)
	}
	for _, file := range dirs {
		golden := filepath.Dir(file)
		name := filepath.Base(golden)
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			config, err := ParseConfig(b)
			if err != nil {
				t.Fatal(err)
			}
			dtype := tensor.F32
			if strings.HasSuffix(name, "bf16") {
				dtype = tensor.BF16
			}
			written, err := WriteConfig(&config, dtype)
			if err != nil {
				t.Fatal(err)
			}
			compareWords(t, written, b)
			set, err := safetensors.OpenDir(golden)
			if err != nil {
				t.Fatal(err)
			}
			defer set.Close()
			var entries []safetensors.Entry
			for _, tensorName := range set.Names() {
				x, err := set.Tensor(tensorName)
				if err != nil {
					t.Fatal(err)
				}
				entries = append(entries, blocks.Stored(x, dtype))
			}
			dir := t.TempDir()
			if keep := os.Getenv("JAMBA_WRITE_TO"); keep != "" {
				dir = filepath.Join(keep, name)
				if err := os.MkdirAll(dir, 0o777); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "config.json"), written, 0o666); err != nil {
				t.Fatal(err)
			}
			if err := safetensors.WriteDir(dir, entries, 100_000); err != nil {
				t.Fatal(err)
			}
			again, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if _, err := again.Model(Options{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(config, again.Config); diff != "" {
				t.Error(diff)
			}
			for _, tensorName := range set.Names() {
				got, err := again.Tensors().Tensor(tensorName)
				if err != nil {
					t.Fatal(err)
				}
				if want, _ := set.Tensor(tensorName); string(got.Data) != string(want.Data) || got.DType != want.DType || !slices.Equal(got.Shape, want.Shape) {
					t.Fatalf("%s is not what it was", tensorName)
				}
			}
		})
	}
}

// compareWords compares settings with those of the reference's file, as far as both have them. A period may be another
// one with the same layers.
func compareWords(t *testing.T, written, golden []byte) {
	t.Helper()
	got, want := decodeWords(t, written), decodeWords(t, golden)
	for name, w := range want {
		g, ok := got[name]
		if !ok || strings.HasSuffix(name, "_period") || strings.HasSuffix(name, "_offset") || name == "head_dim" || name == "use_mamba_kernels" {
			continue
		}
		if name == "num_attention_heads" || name == "num_key_value_heads" {
			if strings.Contains(t.Name(), "pure-mamba") {
				continue // which has none
			}
		}
		if diff := cmp.Diff(w, g); diff != "" {
			t.Errorf("%s: (-golden +written)\n%s", name, diff)
		}
	}
}

func decodeWords(t *testing.T, b []byte) map[string]any {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return testutil.JSON[map[string]any](t, path)
}

// jambaOf is a Jamba of layers such as "ae" (attention and experts), "mm" (Mamba and MLP).
func jambaOf(layers ...string) model.Config {
	c := model.Config{Architecture: "jamba", VocabSize: 256, HiddenSize: 32, RMSNormEps: 1e-6, BOSTokenID: 1, PADTokenID: -1, EOSTokenIDs: []int32{2, 5}}
	for _, l := range layers {
		var layer model.Layer
		if l[0] == 'a' {
			layer.Attention = &model.Attention{NumAttentionHeads: 4, NumKeyValueHeads: 2, HeadDim: 8}
		} else {
			layer.Mamba = &model.Mamba{DInner: 64, DState: 16, DConv: 4, DtRank: 2, ConvBias: true, InnerNorms: true, NormEps: 1e-6}
		}
		if l[1] == 'e' {
			layer.MoE = &model.MoE{IntermediateSize: 64, NumExperts: 4, NumExpertsPerTok: 2}
		} else {
			layer.MLP = &model.MLP{IntermediateSize: 64}
		}
		c.Layers = append(c.Layers, layer)
	}
	return c
}

func TestSchedules(t *testing.T) {
	for layers, want := range map[string]string{
		"mm":                            "",
		"am":                            "",
		"me":                            "",
		"ae":                            "",
		"mm me mm ae":                   "",
		"mm mm mm am mm mm mm am mm mm": "",
		"ae me mm me":                   "expert_layer_period: the layers [0 1 3] do not come",
		"am am mm mm":                   "attn_layer_period: the layers [0 1] do not come",
		"mm mm mm am mm am mm am":       "attn_layer_period: the layers [3 5 7] do not come",
	} {
		c := jambaOf(strings.Fields(layers)...)
		b, err := WriteConfig(&c, tensor.BF16)
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one with %q", layers, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", layers, err)
			continue
		}
		back, err := ParseConfig(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, back); diff != "" {
			t.Errorf("%s: %s", layers, diff)
		}
	}
}

func TestConfigThatHFHasNot(t *testing.T) {
	for want, change := range map[string]func(c *model.Config){
		"architecture gemma: there is no such class": func(c *model.Config) { c.Architecture = "gemma" },
		"layer 3: its attention is not that":         func(c *model.Config) { c.Layers[3].Attention.NumKeyValueHeads = 4 },
		"attention with":                             func(c *model.Config) { c.Layers[1].Attention.Bias, c.Layers[3].Attention.Bias = true, true },
		"layer 0 has no feed-forward":                func(c *model.Config) { c.Layers[0].MLP = nil },
		"intermediate_size is 80 in the MLP and 64":  func(c *model.Config) { c.Layers[0].MLP.IntermediateSize, c.Layers[2].MLP.IntermediateSize = 80, 80 },
		"d_inner is a multiple of hidden_size 32":    func(c *model.Config) { c.Layers[0].Mamba.DInner, c.Layers[2].Mamba.DInner = 65, 65 },
		"every layer has attention":                  func(c *model.Config) { c.Architecture = "llama" },
		"nothing but mamba layers":                   func(c *model.Config) { c.Architecture = "mamba" },
		"vocab_size is 0":                            func(c *model.Config) { c.VocabSize = 0 },
	} {
		c := jambaOf("mm", "ae", "mm", "ae")
		change(&c)
		if _, err := WriteConfig(&c, tensor.F32); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	c := jambaOf("ae")
	if _, err := WriteConfig(&c, tensor.Q8_0); err == nil || !strings.Contains(err.Error(), "type Q8_0 cannot be written") {
		t.Error(err)
	}
}

// Weights are rounded to the nearest number of the type they are stored in, across the pieces that they are written in.
func TestStored(t *testing.T) {
	values := make([]float32, 1<<16+3)
	for i := range values {
		values[i] = 1 + float32(i)*0x1p-20
	}
	x := tensor.FromFloat32s("x", values, len(values))
	for d, unit := range map[tensor.DType]float64{tensor.BF16: 0x1p-7, tensor.F16: 0x1p-10} {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := safetensors.WriteFile(path, []safetensors.Entry{blocks.Stored(x, d)}, nil); err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Tensor("x")
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			h := binary.LittleEndian.Uint16(got.Data[2*i:])
			g := float64(math.Float32frombits(uint32(h) << 16))
			if d == tensor.F16 {
				g = float64(h&0x3ff)*0x1p-10 + 1
			}
			if want := math.RoundToEven(float64(v)/unit) * unit; g != want {
				t.Fatalf("%v: %v is stored as %v, want %v", d, v, g, want)
			}
		}
		f.Close()
	}
	large := tensor.FromFloat32s("x", []float32{1e30}, 1)
	if err := safetensors.WriteFile(filepath.Join(t.TempDir(), "x"), []safetensors.Entry{blocks.Stored(large, tensor.F16)}, nil); err == nil {
		t.Error("1e30 is stored as F16")
	}
}
