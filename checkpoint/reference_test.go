package checkpoint_test

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/format/safetensors"
	"jamba/internal/testutil"
	"jamba/internal/testutil/golden"
	"jamba/model"
)

// settingsCase is a case of testdata/field/settings, which make.py explains.
type settingsCase struct {
	Name    string             `json:"name"`
	Weights string             `json:"weights"`
	Config  json.RawMessage    `json:"config"`
	Tensors map[string]*string `json:"tensors"`
	Logits  [2][]float32       `json:"logits"`
}

// folder writes the case as a folder in Hugging Face layout.
func (c *settingsCase) folder(t *testing.T) string {
	t.Helper()
	f, err := safetensors.Open(testutil.Path("field", "settings", c.Weights+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var entries []safetensors.Entry
	add := func(name, from string) {
		stored, err := f.Tensor(from)
		if err != nil {
			t.Fatal(err)
		}
		stored.Name = name
		entries = append(entries, safetensors.Of(stored))
	}
	for _, name := range f.Names() {
		if _, changed := c.Tensors[name]; !changed && !strings.HasPrefix(name, "spare.") {
			add(name, name)
		}
	}
	for name, from := range c.Tensors {
		if from != nil {
			add(name, *from)
		}
	}
	dir := t.TempDir()
	if err := safetensors.WriteDir(dir, entries, 0); err != nil {
		t.Fatal(err)
	}
	golden.Put(t, dir, "config.json", c.Config)
	return dir
}

// TestSettingsAsInReference opens folders whose settings make other networks of the same tensors, and compares logits with
// those that the reference computes.
func TestSettingsAsInReference(t *testing.T) {
	all := testutil.JSON[struct {
		IDs   []int32        `json:"ids"`
		Cases []settingsCase `json:"cases"`
	}](t, testutil.Path("field", "settings", "settings.json"))
	if len(all.Cases) < 60 {
		t.Fatalf("%d cases", len(all.Cases))
	}
	warns := map[string]string{
		"llama: tied with a head of its own":                              "tie_word_embeddings is true",
		"mixtral: tied with a head of its own":                            "tie_word_embeddings is true",
		"jamba: tied with a head of its own":                              "tie_word_embeddings is true",
		"mamba: tied by default, with a head of its own":                  "tie_word_embeddings is true",
		"llama: rope_scaling before rope_parameters":                      "rope_scaling counts, and rope_parameters",
		"llama: default with a factor":                                    "rope_scaling.factor",
		"llama: linear with yarn's setting":                               "rope_scaling.attention_factor",
		"llama: window of another architecture":                           "sliding_window 3 is passed over",
		"llama: model_type before architectures":                          "model_type counts",
		"llama: all biases":                                               "model.layers.1.self_attn.o_proj.bias: missing",
		"llama: biases that the settings have not":                        "model.layers.0.self_attn.q_proj.bias, model.layers.1.self_attn.v_proj.bias: not added",
		"llama: dropout and initialization":                               "attention_dropout 0.3 is passed over",
		"mistral: use_sliding_window false":                               "",
		"mistral: max_window_layers":                                      "max_window_layers 1 is passed over",
		"mistral: attention_bias, which it has not":                       "attention_bias true is passed over",
		"mixtral: router noise":                                           "router_jitter_noise 0.5 is passed over",
		"jamba: a rotary embedding, which it has not":                     "rope_theta 500.0 is passed over",
		"llama: rope_scaling before rope_parameters, whose theta is lost": "rope_scaling counts, and rope_parameters",
	}
	for _, c := range all.Cases {
		t.Run(c.Name, func(t *testing.T) {
			m, err := golden.OpenModel(c.folder(t), checkpoint.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			got, err := m.NewPass().Logits(context.Background(), model.Span{State: m.NewState(), Tokens: all.IDs, Want: model.AllLogits})
			if err != nil {
				t.Fatal(err)
			}
			v := m.Config.VocabSize
			for i, row := range []int{len(all.IDs) - 1, 2} {
				for j, want := range c.Logits[i] {
					if d := math.Abs(float64(got[row*v+j] - want)); !(d <= 2e-4) {
						t.Fatalf("token %d: logit %d is %v, want %v", row, j, got[row*v+j], want)
					}
				}
			}
			said := strings.Join(golden.From(m).Warnings(), "\n")
			if want := warns[c.Name]; want == "" && said != "" || !strings.Contains(said, want) {
				t.Errorf("warnings %q, want %q", said, want)
			}
		})
	}
}
