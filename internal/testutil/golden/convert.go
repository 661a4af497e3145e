package golden

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/format/gguf"
	"jamba/format/safetensors"
	"jamba/internal/kernel/quant"
	"jamba/model"
	"jamba/tensor"
)

// ggufLayer maps the reference's names within a layer to those of GGUF.
var ggufLayer = strings.NewReplacer(
	"self_attn.q_proj", "attn_q", "self_attn.k_proj", "attn_k", "self_attn.v_proj", "attn_v", "self_attn.o_proj", "attn_output",
	"mamba.in_proj", "ssm_in", "mamba.conv1d", "ssm_conv1d", "mamba.x_proj", "ssm_x", "mamba.dt_proj", "ssm_dt", "mamba.out_proj", "ssm_out",
	"mamba.dt_layernorm", "ssm_dt_norm", "mamba.b_layernorm", "ssm_b_norm", "mamba.c_layernorm", "ssm_c_norm", "mamba.A_log", "ssm_a", "mamba.D", "ssm_d",
	"mixer.in_proj", "ssm_in", "mixer.conv1d", "ssm_conv1d", "mixer.x_proj", "ssm_x", "mixer.dt_proj", "ssm_dt", "mixer.out_proj", "ssm_out",
	"mixer.A_log", "ssm_a", "mixer.D", "ssm_d",
	"input_layernorm", "attn_norm", "pre_ff_layernorm", "ffn_norm", "post_attention_layernorm", "ffn_norm", "norm.weight", "attn_norm.weight",
	"feed_forward.gate_proj", "ffn_gate", "feed_forward.up_proj", "ffn_up", "feed_forward.down_proj", "ffn_down",
	"mlp.gate_proj", "ffn_gate", "mlp.up_proj", "ffn_up", "mlp.down_proj", "ffn_down",
	"feed_forward.router", "ffn_gate_inp", "block_sparse_moe.gate", "ffn_gate_inp",
)

// Convert writes the reference checkpoint in dir as llama.cpp's converter would, and returns the file's path.
func Convert(t *testing.T, g *Golden, dir string, quantized ...tensor.DType) string {
	t.Helper()
	set, err := safetensors.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	get := func(name string) tensor.Tensor {
		x, err := set.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}

	c := g.Model.Config
	arch := c.Architecture
	if arch == "mistral" || arch == "mixtral" {
		arch = "llama"
	}
	var meta gguf.Metadata
	put := func(key string, v any) { meta = append(meta, gguf.KV{Key: key, Value: v}) }
	key := func(k string, v any) { put(arch+"."+k, v) }
	put("general.architecture", arch)
	key("block_count", uint32(len(c.Layers)))
	key("context_length", uint32(c.MaxPositionEmbeddings))
	key("embedding_length", uint32(c.HiddenSize))
	key("attention.layer_norm_rms_epsilon", c.RMSNormEps)
	put("tokenizer.ggml.bos_token_id", uint32(c.BOSTokenID))
	put("tokenizer.ggml.eos_token_id", uint32(c.EOSTokenIDs[0]))
	kv, heads := make([]int32, len(c.Layers)), 0
	var m *model.Mamba
	var e *model.MoE
	width := 0
	for i, l := range c.Layers {
		if a := l.Attention; a != nil {
			kv[i], heads = int32(a.NumKeyValueHeads), a.NumAttentionHeads
		} else {
			m = l.Mamba
		}
		if l.MoE != nil {
			e, width = l.MoE, l.MoE.IntermediateSize
		} else if l.MLP != nil {
			width = l.MLP.IntermediateSize
		}
	}
	key("attention.head_count", uint32(heads))
	key("feed_forward_length", uint32(width))
	if e != nil {
		key("expert_count", uint32(e.NumExperts))
		key("expert_used_count", uint32(e.NumExpertsPerTok))
	}
	if m != nil {
		key("ssm.conv_kernel", uint32(m.DConv))
		key("ssm.inner_size", uint32(m.DInner))
		key("ssm.state_size", uint32(m.DState))
		key("ssm.time_step_rank", uint32(m.DtRank))
	}
	var rope *model.RoPE
	if arch == "llama" {
		rope = c.Layers[0].Attention.RoPE
		key("attention.head_count_kv", uint32(kv[0]))
		key("rope.freq_base", float32(rope.Theta))
		key("rope.dimension_count", uint32(c.Layers[0].Attention.HeadDim))
		if rope.Scaling == "linear" || rope.Scaling == "yarn" {
			key("rope.scaling.type", rope.Scaling)
			key("rope.scaling.factor", float32(rope.Factor))
			key("rope.scaling.original_context_length", uint32(max(1, rope.OriginalMax)))
		}
	} else {
		key("attention.head_count_kv", kv)
	}

	var tensors []gguf.Source
	add := func(name string, x tensor.Tensor) {
		x.Name = name
		if len(quantized) > 0 {
			x = RoundTo(t, x, quantized[0])
		}
		tensors = append(tensors, gguf.FromTensor(x))
	}
	floats := func(x tensor.Tensor) []float32 {
		f, ok := x.Float32s()
		if !ok {
			t.Fatalf("%s is not float32", x.Name)
		}
		return slices.Clone(f)
	}
	stacked := map[string]bool{}
	for _, name := range set.Names() {
		x := get(name)
		switch name {
		case "model.embed_tokens.weight", "backbone.embeddings.weight":
			add("token_embd.weight", x)
			continue
		case "model.final_layernorm.weight", "model.norm.weight", "backbone.norm_f.weight":
			add("output_norm.weight", x)
			continue
		case "lm_head.weight":
			add("output.weight", x)
			continue
		}
		var layer int
		if _, err := fmt.Sscanf(name[strings.Index(name, "layers."):], "layers.%d.", &layer); err != nil {
			t.Fatal(name)
		}
		part := name[strings.Index(name, "layers.")+len(fmt.Sprintf("layers.%d.", layer)):]
		prefix := fmt.Sprintf("blk.%d.", layer)
		if i := strings.Index(part, "experts."); i >= 0 {
			proj := part[strings.LastIndex(part[:len(part)-len(".weight")], ".")+1:]
			to := map[string]string{
				"gate_proj.weight": "ffn_gate_exps.weight", "up_proj.weight": "ffn_up_exps.weight", "down_proj.weight": "ffn_down_exps.weight",
				"w1.weight": "ffn_gate_exps.weight", "w3.weight": "ffn_up_exps.weight", "w2.weight": "ffn_down_exps.weight",
			}[proj]
			if stacked[prefix+to] {
				continue
			}
			stacked[prefix+to] = true
			var all []byte
			for n := range e.NumExperts {
				all = append(all, get(strings.Replace(name, part, part[:i]+fmt.Sprintf("experts.%d.", n)+proj, 1)).Data...)
			}
			add(prefix+to, tensor.Tensor{DType: x.DType, Shape: append([]int{e.NumExperts}, x.Shape...), Data: all})
			continue
		}
		to := prefix + strings.TrimSuffix(ggufLayer.Replace(part), "")
		switch {
		case strings.HasSuffix(part, "A_log"):
			f := floats(x)
			for i, v := range f {
				f[i] = float32(-math.Exp(float64(v)))
			}
			x = tensor.FromFloat32s("", f, x.Shape...)
		case strings.HasSuffix(part, "conv1d.weight"):
			x, _ = x.Reshape(x.Shape[0], x.Shape[2])
		case rope != nil && (strings.Contains(part, "q_proj") || strings.Contains(part, "k_proj")):
			x = Interleave(floats(x), x.Shape, c.Layers[0].Attention.HeadDim)
		}
		add(to, x)
	}
	if rope != nil && rope.Scaling == "llama3" {
		add("rope_freqs.weight", tensor.FromFloat32s("", llama3Factors(rope, c.Layers[0].Attention.HeadDim), c.Layers[0].Attention.HeadDim/2))
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := gguf.WriteFile(path, meta, tensors); err != nil {
		t.Fatal(err)
	}
	return path
}

// RoundTo returns a matrix, or a stack of them, in a block format if its rows are whole blocks.
func RoundTo(t *testing.T, x tensor.Tensor, d tensor.DType) tensor.Tensor {
	k := x.Shape[len(x.Shape)-1]
	f, ok := x.Float32s()
	if !ok || len(x.Shape) < 2 || k%d.BlockValues() != 0 || strings.Contains(x.Name, "ssm_conv1d") || strings.Contains(x.Name, "ffn_gate_inp") {
		return x
	}
	size, err := tensor.Size(d, x.Shape)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, size)
	if err := quant.Quantize(data, d, f); err != nil {
		t.Fatal(err)
	}
	return tensor.Tensor{Name: x.Name, DType: d, Shape: x.Shape, Data: data}
}

// Interleave reorders the rows of each head from halves to pairs.
func Interleave(f []float32, shape []int, headDim int) tensor.Tensor {
	out := make([]float32, len(f))
	k := shape[1]
	for head := 0; head < shape[0]; head += headDim {
		for i := range headDim / 2 {
			copy(out[(head+2*i)*k:(head+2*i+1)*k], f[(head+i)*k:])
			copy(out[(head+2*i+1)*k:(head+2*i+2)*k], f[(head+headDim/2+i)*k:])
		}
	}
	return tensor.FromFloat32s("", out, shape...)
}

// llama3Factors is what llama.cpp's converter computes for Llama 3's scaling.
func llama3Factors(r *model.RoPE, dim int) []float32 {
	var factors []float32
	low, high := float64(r.OriginalMax)/r.LowFreq, float64(r.OriginalMax)/r.HighFreq
	for i := 0; i < dim; i += 2 {
		wave := 2 * math.Pi * math.Pow(r.Theta, float64(i)/float64(dim))
		switch {
		case wave < high:
			factors = append(factors, 1)
		case wave > low:
			factors = append(factors, float32(r.Factor))
		default:
			smooth := (float64(r.OriginalMax)/wave - r.LowFreq) / (r.HighFreq - r.LowFreq)
			factors = append(factors, float32(1/((1-smooth)/r.Factor+smooth)))
		}
	}
	return factors
}
