package quantize

import (
	"errors"
	"slices"

	"jamba/checkpoint"
	"jamba/format/gguf"
	"jamba/model"
)

// metadata returns the metadata of a folder's GGUF file: the network's settings as llama.cpp reads them, and the text's.
func (e *exporter) metadata(name string, text gguf.Metadata, ends []int32) (gguf.Metadata, error) {
	c := &e.Config
	w := &ggufWriter{arch: checkpoint.GGUFArchitecture(c)}
	w.put("general.architecture", w.arch)
	w.put("general.type", "model")
	w.put("general.name", name)
	w.meta = append(w.meta, e.fileKeys()...)
	w.key("block_count", len(c.Layers))
	context := c.MaxPositionEmbeddings
	if context == 0 {
		context = 1 << 20 // Mamba's has no limit; llama.cpp wants one
	}
	w.key("context_length", context)
	w.key("embedding_length", c.HiddenSize)
	w.key("vocab_size", c.VocabSize)
	w.put(w.arch+".attention.layer_norm_rms_epsilon", c.RMSNormEps)
	var attention *model.Attention
	var mamba *model.Mamba
	var moe *model.MoE
	width, kv := 0, make([]int32, len(c.Layers))
	for i, l := range c.Layers {
		if l.Attention != nil {
			if attention != nil && attention.SlidingWindow != l.Attention.SlidingWindow {
				w.err = errors.New("layer_types: GGUF's architecture llama has one window for all layers, here some have one and some none")
			}
			attention, kv[i] = l.Attention, int32(l.Attention.NumKeyValueHeads)
		} else {
			mamba = l.Mamba
		}
		if l.MoE != nil {
			moe, width = l.MoE, l.MoE.IntermediateSize
		} else if l.MLP != nil {
			width = l.MLP.IntermediateSize
		}
	}
	w.key("feed_forward_length", width)
	if attention == nil {
		attention = &model.Attention{} // a Jamba without any, and Mamba: no heads
	}
	w.key("attention.head_count", attention.NumAttentionHeads)
	switch w.arch {
	case "llama":
		w.key("attention.head_count_kv", attention.NumKeyValueHeads)
		w.transformer(c, attention)
	case "jamba":
		w.put(w.arch+".attention.head_count_kv", kv)
		if moe == nil {
			moe = &model.MoE{NumExperts: 1, NumExpertsPerTok: 1}
		}
	}
	if d := attention.HeadDim; attention.NumAttentionHeads > 0 && d*attention.NumAttentionHeads != c.HiddenSize {
		w.key("attention.key_length", d)
		w.key("attention.value_length", d)
	}
	if moe != nil {
		w.key("expert_count", moe.NumExperts)
		w.key("expert_used_count", moe.NumExpertsPerTok)
	}
	if mamba != nil {
		w.key("ssm.conv_kernel", mamba.DConv)
		w.key("ssm.inner_size", mamba.DInner)
		w.key("ssm.state_size", mamba.DState)
		w.key("ssm.time_step_rank", mamba.DtRank)
	}
	if ends == nil {
		ends = c.EOSTokenIDs
	}
	w.text(c, text, ends)
	return w.meta, w.err
}

// ggufWriter collects metadata of one architecture and keeps the first error.
type ggufWriter struct {
	arch string
	meta gguf.Metadata
	err  error
}

func (w *ggufWriter) put(key string, v any) { w.meta = append(w.meta, gguf.KV{Key: key, Value: v}) }

// key adds one of the architecture's numbers, which are u32.
func (w *ggufWriter) key(key string, v int) { w.put(w.arch+"."+key, uint32(v)) }

// transformer adds what Llama, Mistral and Mixtral have beside Jamba's settings.
func (w *ggufWriter) transformer(c *model.Config, a *model.Attention) {
	if a.SlidingWindow > 0 {
		w.key("attention.sliding_window", a.SlidingWindow)
	}
	w.key("rope.dimension_count", a.HeadDim)
	w.put("llama.rope.freq_base", float32(a.RoPE.Theta))
	switch r := a.RoPE; r.Scaling {
	case "linear":
		w.put("llama.rope.scaling.type", "linear")
		w.put("llama.rope.scaling.factor", float32(r.Factor))
	case "yarn":
		if r.Fractional {
			w.err = errors.New("rope scaling yarn with truncate false: GGUF has no setting for it")
		}
		w.put("llama.rope.scaling.type", "yarn")
		w.put("llama.rope.scaling.factor", float32(r.Factor))
		w.key("rope.scaling.original_context_length", r.OriginalMax)
		w.put("llama.rope.scaling.yarn_beta_fast", float32(r.BetaFast))
		w.put("llama.rope.scaling.yarn_beta_slow", float32(r.BetaSlow))
		if r.AttnFactor != 0 {
			// llama.cpp multiplies this by the factor that the reference takes when the settings give none.
			w.put("llama.rope.scaling.attn_factor", float32(r.AttnFactor/model.YarnScale(r.Factor, 1)))
		}
	}
}

// text adds the tokenizer's keys and those that say which tokens end an answer, as far as there are such keys: its own end
// of a text first.
func (w *ggufWriter) text(c *model.Config, text gguf.Metadata, ends []int32) {
	const prefix = "tokenizer.ggml."
	have := map[string]bool{}
	for _, kv := range text {
		if have[kv.Key] = true; kv.Key == prefix+"eos_token_id" {
			if id, ok := kv.Value.(uint32); ok && (len(ends) == 0 || slices.Contains(ends, int32(id))) {
				ends = append([]int32{int32(id)}, slices.DeleteFunc(slices.Clone(ends), func(e int32) bool { return e == int32(id) })...)
			}
			continue
		}
		w.meta = append(w.meta, kv)
	}
	if !have[prefix+"model"] {
		w.put(prefix+"model", "none")
	}
	if c.BOSTokenID >= 0 && !have[prefix+"bos_token_id"] {
		w.put(prefix+"bos_token_id", uint32(c.BOSTokenID))
	}
	if c.PADTokenID >= 0 && !have[prefix+"padding_token_id"] {
		w.put(prefix+"padding_token_id", uint32(c.PADTokenID))
	}
	for i, id := range ends[:min(len(ends), checkpoint.FileEnds)] {
		w.put(prefix+[checkpoint.FileEnds]string{"eos_token_id", "eot_token_id", "eom_token_id"}[i], uint32(id))
	}
}
