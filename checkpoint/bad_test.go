package checkpoint_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/format/gguf"
	"jamba/internal/testutil"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/tensor"
)

func TestBadConfig(t *testing.T) {
	for _, test := range []struct{ config, want string }{
		{`{"architectures":`, "unexpected end of JSON input"},
		{`[]`, "is a JSON array, want an object"},
		{`{}`, `architecture "" is not supported; JambaForCausalLM, LlamaForCausalLM, MistralForCausalLM, MixtralForCausalLM, MambaForCausalLM are`},
		{`{"architectures":["BertModel"]}`, `architecture "BertModel" is not supported; JambaForCausalLM,`},
		{`{"model_type":"gemma"}`, `architecture "GemmaForCausalLM" is not supported`},
		{`{"model_type":"jamba","hidden_act":"gelu"}`, `hidden_act "gelu" is not supported; silu is`},
		{`{"model_type":"jamba","num_hidden_layers":1000000000000}`, "num_hidden_layers is 1000000000000, want 1 to"},
		{`{"model_type":"jamba","num_hidden_layers":-1}`, "num_hidden_layers is -1, want 1 to"},
		{`{"model_type":"jamba","vocab_size":0}`, "vocab_size is 0, want 1 to"},
		{`{"model_type":"jamba","hidden_size":"big"}`, "hidden_size is a JSON string, want an integer"},
		{`{"model_type":"jamba","hidden_size":100}`, "hidden_size 100 is no multiple of num_attention_heads 32"},
		{`{"model_type":"jamba","num_attention_heads":0}`, "num_attention_heads is 0, want 1 to"},
		{`{"model_type":"jamba","num_key_value_heads":7}`, "num_attention_heads 32 is no multiple of num_key_value_heads 7"},
		{`{"model_type":"jamba","attn_layer_offset":8}`, "attn_layer_offset 8 is not smaller than attn_layer_period 8"},
		{`{"model_type":"jamba","expert_layer_offset":2}`, "expert_layer_offset 2 is not smaller than expert_layer_period 2"},
		{`{"model_type":"jamba","attn_layer_period":0}`, "attn_layer_period is 0, want 1 to"},
		{`{"model_type":"jamba","num_experts_per_tok":17}`, "layer 1: num_experts_per_tok 17 is more than num_experts 16"},
		{`{"model_type":"jamba","mamba_d_conv":0}`, "layer 0: mamba_d_conv is 0, want 1 to"},
		{`{"model_type":"jamba","mamba_dt_rank":"many"}`, "mamba_dt_rank is a JSON string, want an integer"},
		{`{"model_type":"jamba","rms_norm_eps":-1}`, "rms_norm_eps is -1"},
		{`{"model_type":"mamba","expand":9999999999}`, "layer 0: mamba d_inner is"},
		{`{"model_type":"llama","rope_theta":0}`, "layer 0: rope_theta is 0"},
		{`{"model_type":"llama","head_dim":7}`, "layer 0: head_dim 7 is odd"},
		{`{"model_type":"llama","rope_scaling":{"type":"dynamic","factor":2}}`, `layer 0: rope scaling "dynamic" is not supported; linear, llama3 and yarn are`},
		{`{"model_type":"llama","rope_scaling":{"type":"linear"}}`, "layer 0: rope scaling linear: factor is 0"},
		{`{"model_type":"llama","rope_scaling":{"rope_type":"llama3","factor":8}}`, "layer 0: rope scaling llama3: original_max_position_embeddings 2048, low_freq_factor 0"},
		{`{"model_type":"mistral","sliding_window":-3}`, "sliding_window is -3, want null or at least 1"},
	} {
		_, err := checkpoint.ParseConfig([]byte(test.config))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.config, err, test.want)
		}
	}
}

func TestParseConfigLeavesDefaultsAlone(t *testing.T) {
	before, err := checkpoint.ParseConfig([]byte(`{"model_type":"jamba"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := checkpoint.ParseConfig([]byte(`{"model_type":"jamba","num_key_value_heads":32,"bos_token_id":77,"eos_token_id":[9]}`)); err != nil {
		t.Fatal(err)
	}
	after, err := checkpoint.ParseConfig([]byte(`{"model_type":"jamba"}`))
	if err != nil {
		t.Fatal(err)
	}
	if after.BOSTokenID != before.BOSTokenID || after.EOSTokenIDs != nil || after.Layers[4].Attention.NumKeyValueHeads != 8 {
		t.Errorf("one config changed the defaults of the next: %+v", after)
	}
}

func TestBadCheckpoint(t *testing.T) {
	set := func(key string, v any) func(map[string]any) { return func(c map[string]any) { c[key] = v } }
	const name, down = "jamba-v01-mini", "model.layers.0.feed_forward.down_proj.weight"
	for _, test := range []struct {
		name   string
		config func(map[string]any)
		file   func(map[string]any, []byte)
		want   string
	}{
		{"vocabulary", set("vocab_size", 300), nil, "model.embed_tokens.weight: shape [256 32], want [300 32]"},
		{"width", set("intermediate_size", 64), nil, "model.layers.0.feed_forward.gate_proj.weight: shape [56 32], want [64 32]"},
		{"attention elsewhere", set("attn_layer_offset", 3), nil, "tensor model.layers.3.self_attn.q_proj.weight is missing"},
		{"more experts", set("num_experts", 6), nil, "model.layers.1.feed_forward.router.weight: shape [4 32], want [6 32]"},
		{"more layers", set("num_hidden_layers", 9), nil, "tensor model.layers.8.input_layernorm.weight is missing"},
		{"missing", nil, func(h map[string]any, _ []byte) { h["x"] = h[down]; delete(h, down) }, "tensor " + down + " is missing"},
		{"dtype", nil, func(h map[string]any, _ []byte) { h[down].(map[string]any)["dtype"] = "I32" }, down + ": dtype I32 is not supported; F32, F16, BF16, F8_E4M3 and F8_E5M2 are"},
		{"lying shape", nil, func(h map[string]any, _ []byte) { h[down].(map[string]any)["shape"] = []int{99, 99} }, down + ": F32 [99 99] does not take the 7168 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := golden.Damaged(t, name, test.config, test.file)
			_, err := golden.OpenModel(dir, checkpoint.Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %v, want one with %q and the folder", err, test.want)
			}
		})
	}
	if _, err := golden.OpenModel(filepath.Join(t.TempDir(), "nothing"), checkpoint.Options{}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
	if _, err := golden.OpenModel(t.TempDir(), checkpoint.Options{}); err == nil || !strings.Contains(err.Error(), "a model is a folder with config.json and model.safetensors, or a .gguf file") {
		t.Error(err)
	}
}

func TestUnusedTensors(t *testing.T) {
	m, err := golden.OpenModel(golden.Damaged(t, "jamba-v01-mini", func(c map[string]any) { c["num_hidden_layers"] = 7 }, nil), checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if len(golden.From(m).Unused()) == 0 || !strings.HasPrefix(golden.From(m).Unused()[0], "model.layers.7.") {
		t.Errorf("unused tensors %v", golden.From(m).Unused())
	}
}

// ggufMeta is the beginning of a jamba file's metadata and one more key.
func ggufMeta(key string, v any) gguf.Metadata {
	return gguf.Metadata{
		{Key: "general.architecture", Value: "jamba"},
		{Key: "jamba.embedding_length", Value: uint32(8)},
		{Key: "jamba.attention.layer_norm_rms_epsilon", Value: float32(1e-6)},
		{Key: "jamba." + key, Value: v},
	}
}

func TestBadGGUF(t *testing.T) {
	for _, test := range []struct {
		name string
		meta gguf.Metadata
		want string
	}{
		{"no architecture", nil, "general.architecture: not found"},
		{"unknown architecture", gguf.Metadata{{Key: "general.architecture", Value: "gpt9"}}, `architecture "gpt9" is not supported; jamba, llama (also Mistral's and Mixtral's) and mamba are`},
		{"no size", gguf.Metadata{{Key: "general.architecture", Value: "jamba"}}, "key jamba.embedding_length: not found"},
		{"no tensor", ggufMeta("block_count", uint32(2)), "tensor token_embd.weight is missing"},
		{"wrong type", ggufMeta("block_count", "two"), "key jamba.block_count"},
		{"absurd layers", ggufMeta("block_count", uint64(1)<<60), "block_count is 1152921504606846976, want 1 to"},
	} {
		path := filepath.Join(t.TempDir(), "x.gguf")
		if err := gguf.WriteFile(path, test.meta, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := golden.OpenModel(path, checkpoint.Options{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
		}
	}
}

func TestBadTokens(t *testing.T) {
	m, err := golden.OpenModel(testutil.Golden("models", "jamba-v01-mini"), checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s := m.NewState()
	for _, id := range []int32{-1, 256, math.MaxInt32} {
		_, err := m.NewPass().Logits(context.Background(), model.Span{State: s, Tokens: []int32{1, id}})
		if err == nil || !strings.Contains(err.Error(), "at position 1 is outside the vocabulary of 256") {
			t.Errorf("token %d: error %v", id, err)
		}
	}
	if s.Pos() != 0 || s.Arena().Used() != 0 {
		t.Error("a refused token changed the state")
	}
}

// TestNonFinite asserts that a number that is none stops the pass, names the layer and leaves the state as it was.
func TestNonFinite(t *testing.T) {
	for name, where := range map[string]string{
		"model.layers.0.mamba.D":                     "layer 0 (mamba + mlp)",
		"model.layers.4.self_attn.o_proj.weight":     "layer 4 (attention + mlp)",
		"model.layers.5.feed_forward.router.weight":  "layer 5 (mamba + moe)",
		"model.final_layernorm.weight":               "lm_head",
		"model.layers.7.mamba.dt_layernorm.weight":   "layer 7 (mamba + moe)",
		"model.layers.2.feed_forward.up_proj.weight": "layer 2 (mamba + mlp)",
		"model.layers.3.pre_ff_layernorm.weight":     "layer 3 (mamba + moe)",
		"model.layers.6.mamba.out_proj.weight":       "layer 6 (mamba + mlp)",
	} {
		dir := golden.Damaged(t, "jamba-v01-mini", nil, func(h map[string]any, data []byte) {
			at := int(h[name].(map[string]any)["data_offsets"].([]any)[0].(float64))
			binary.LittleEndian.PutUint32(data[at:], math.Float32bits(float32(math.NaN())))
		})
		m, err := golden.OpenModel(dir, checkpoint.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := m.NewState()
		_, err = m.NewPass().Logits(context.Background(), model.Span{State: s, Tokens: []int32{5, 6}})
		if err == nil || !strings.HasPrefix(err.Error(), where+": activations are infinite or NaN") {
			t.Errorf("%s: error %v, want one that names %s", name, err, where)
		}
		if s.Pos() != 0 || s.Arena().Used() != 0 {
			t.Errorf("%s: the state has changed", name)
		}
		m.Close()
	}
}

// TestKVOverflow makes values of 1e5 and of 1e8: fp16 holds neither of them, with the scale of a block of 8 bits
// the smaller, float32 both. The error says what helps.
func TestKVOverflow(t *testing.T) {
	const name = "model.layers.4.self_attn.v_proj.weight"
	scaled := func(by float32) string {
		return golden.Damaged(t, "jamba-v01-mini", nil, func(h map[string]any, data []byte) {
			at := h[name].(map[string]any)["data_offsets"].([]any)
			for i := int(at[0].(float64)); i < int(at[1].(float64)); i += 4 {
				v := math.Float32frombits(binary.LittleEndian.Uint32(data[i:]))
				binary.LittleEndian.PutUint32(data[i:], math.Float32bits(by*v))
			}
		})
	}
	large, larger, infinite := scaled(1e6), scaled(1e9), scaled(float32(math.Inf(1)))
	const tooLarge, none = "a key or value of ", "a key or value is infinite or NaN"
	for _, test := range []struct {
		path string
		o    checkpoint.Options
		want string
	}{
		{large, checkpoint.Options{}, ""},
		{large, checkpoint.Options{Precision: model.Fast}, tooLarge},
		{large, checkpoint.Options{KV: tensor.F16}, tooLarge},
		{large, checkpoint.Options{Precision: model.Fast, KV: tensor.F32}, ""},
		{large, checkpoint.Options{Precision: model.Fast, KV: tensor.Q8_0}, ""},
		{larger, checkpoint.Options{KV: tensor.F32}, ""},
		{larger, checkpoint.Options{KV: tensor.Q8_0}, tooLarge},
		{infinite, checkpoint.Options{KV: tensor.F32}, "activations are infinite or NaN"},
		{infinite, checkpoint.Options{KV: tensor.Q8_0}, none},
	} {
		m := golden.OpenWith(t, test.path, test.o)
		s := m.NewState()
		_, err := m.NewPass().Logits(context.Background(), model.Span{State: s, Tokens: []int32{5, 6}})
		switch {
		case test.want == "":
			if err != nil {
				t.Errorf("%+v: %v", test.o, err)
			}
		case err == nil || !strings.HasPrefix(err.Error(), "layer 4 (attention + mlp): "+test.want) || s.Arena().Used() != 0:
			t.Errorf("%+v: error %v, want %q; %d bytes in use", test.o, err, test.want, s.Arena().Used())
		case test.want == tooLarge && !strings.Contains(err.Error(), m.KV().String()+" holds, which they are kept in; float32 holds it (--kv f32)"):
			t.Errorf("%+v: error %v does not say what helps", test.o, err)
		}
	}
	for _, d := range []tensor.DType{tensor.BF16, tensor.Q4_0, 99} {
		if _, err := golden.OpenModel(large, checkpoint.Options{KV: d}); err == nil || !strings.Contains(err.Error(), "f32, f16 and q8_0 can be") {
			t.Errorf("%v: error %v", d, err)
		}
	}
}

func TestCancel(t *testing.T) {
	m, err := golden.OpenModel(testutil.Golden("models", "jamba-v01-mini"), checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := m.NewState()
	if _, err := m.NewPass().Logits(ctx, model.Span{State: s, Tokens: []int32{1}}); err != context.Canceled || s.Arena().Used() != 0 {
		t.Errorf("error %v, %d bytes in use", err, s.Arena().Used())
	}
}

// TestStackedExperts reads a checkpoint whose experts are stacked as the reference keeps them in memory.
func TestStackedExperts(t *testing.T) {
	dir := t.TempDir()
	g := golden.Open(t, testutil.Golden("models", "jamba-v01-mini"))
	b, err := os.ReadFile(testutil.Golden("models", "jamba-v01-mini", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	golden.Put(t, dir, "config.json", b)
	raw := testutil.OpenTensors(t, testutil.Golden("models", "jamba-v01-mini", "model.safetensors"))
	header, all := map[string]any{}, []byte{}
	add := func(name string, f []float32, shape []int) {
		header[name] = map[string]any{"dtype": "F32", "shape": shape, "data_offsets": []int{len(all), len(all) + 4*len(f)}}
		all = append(all, tensor.Bytes(f)...)
	}
	for _, name := range raw.Names() {
		prefix, rest, isExpert := strings.Cut(name, ".experts.")
		f, shape := raw.Floats(name)
		if !isExpert {
			add(name, f, shape)
			continue
		}
		if rest != "0.gate_proj.weight" {
			continue
		}
		var gateUp, down []float32
		for e := range 4 {
			for _, proj := range []string{"gate_proj", "up_proj", "down_proj"} {
				f, _ := raw.Floats(prefix + ".experts." + string(rune('0'+e)) + "." + proj + ".weight")
				if proj == "down_proj" {
					down = append(down, f...)
				} else {
					gateUp = append(gateUp, f...)
				}
			}
		}
		add(prefix+".experts.gate_up_proj", gateUp, []int{4, 2 * shape[0], shape[1]})
		add(prefix+".experts.down_proj", down, []int{4, shape[1], shape[0]})
	}
	h, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	golden.Put(t, dir, "model.safetensors", append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(h))), h...), all...))
	m, err := golden.OpenModel(dir, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if len(golden.From(m).Unused()) > 0 {
		t.Errorf("unused tensors %v", golden.From(m).Unused())
	}
	got, err := m.NewPass().Logits(context.Background(), model.Span{State: m.NewState(), Tokens: g.IDs, Want: model.AllLogits})
	if err != nil {
		t.Fatal(err)
	}
	want, _ := g.Tensors.Floats("logits")
	g.Near(t, "logits", got, want)
	stacked, _ := golden.Export(t, dir, "q8_0")
	if one, _ := golden.Export(t, testutil.Golden("models", "jamba-v01-mini"), "q8_0"); !bytes.Equal(golden.Data(t, stacked), golden.Data(t, one)) {
		t.Error("stacked or one by one, experts become different GGUF files")
	}
}
