package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"

	"jamba/internal/bounded"
	"jamba/model"
	"jamba/tensor"
)

// WriteConfig returns the config.json that Hugging Face's classes and ParseConfig read the same model from; dtype is the type that
// the weights are stored in. It is an error if the settings of an architecture cannot express the schedule, such as a
// Jamba whose attention layers do not come in a period.
func WriteConfig(c *model.Config, dtype tensor.DType) ([]byte, error) {
	w, err := settingsOf(c, dtype)
	if err != nil {
		return nil, fmt.Errorf("config.json of architecture %s: %w", c.Architecture, err)
	}
	b, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return nil, err
	}
	back, err := ParseConfig(b)
	if err == nil && !reflect.DeepEqual(back, *c) {
		err = errors.New("the file would not give the same model")
	}
	if err != nil {
		return nil, fmt.Errorf("config.json of architecture %s: %w", c.Architecture, err)
	}
	return append(b, '\n'), nil
}

// hfWords are settings by their names; they are written in alphabetical order, as the reference does.
type hfWords map[string]any

func settingsOf(c *model.Config, dtype tensor.DType) (hfWords, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	types := map[tensor.DType]string{tensor.F32: "float32", tensor.BF16: "bfloat16", tensor.F16: "float16"}
	if types[dtype] == "" {
		return nil, fmt.Errorf("weights of type %v cannot be written; F32, BF16 and F16 can", dtype)
	}
	class := classOf(c).name
	if class == "" {
		return nil, errors.New("there is no such class")
	}
	w := hfWords{
		"architectures":       []string{class},
		"model_type":          c.Architecture,
		"torch_dtype":         types[dtype],
		"vocab_size":          c.VocabSize,
		"hidden_size":         c.HiddenSize,
		"num_hidden_layers":   len(c.Layers),
		"hidden_act":          "silu",
		"tie_word_embeddings": c.TieWordEmbeddings,
		"bos_token_id":        orNull(c.BOSTokenID),
		"pad_token_id":        orNull(c.PADTokenID),
		"use_cache":           true,
	}
	if c.EOSTokenIDs != nil {
		w["eos_token_id"] = oneOrAll(c.EOSTokenIDs)
	}
	switch c.Architecture {
	case "jamba":
		return w, w.jamba(c)
	case "mamba":
		return w, w.mamba(c)
	}
	return w, w.transformer(c)
}

func orNull(id int) any {
	if id < 0 {
		return nil
	}
	return id
}

func oneOrAll(ids []int32) any {
	switch len(ids) {
	case 0:
		return nil
	case 1:
		return ids[0]
	}
	return ids
}

// parts are the settings that all layers which have such a part share; nil where no layer has one.
type parts struct {
	attention *model.Attention
	mamba     *model.Mamba
	mlp       *model.MLP
	moe       *model.MoE
}

// shared returns the parts of the layers, or an error if two layers differ in one.
func shared(c *model.Config) (p parts, err error) {
	for i, l := range c.Layers {
		err = errors.Join(
			share(&p.attention, l.Attention, i, "attention"), share(&p.mamba, l.Mamba, i, "mamba"),
			share(&p.mlp, l.MLP, i, "mlp"), share(&p.moe, l.MoE, i, "moe"))
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

func share[T any](all **T, one *T, layer int, what string) error {
	if *all == nil {
		*all = one
	}
	if one != nil && !reflect.DeepEqual(**all, *one) {
		return fmt.Errorf("layer %d: its %s is not that of the other layers: %+v, not %+v", layer, what, *one, **all)
	}
	return nil
}

func (w hfWords) jamba(c *model.Config) error {
	p, err := shared(c)
	if err != nil {
		return err
	}
	if a := p.attention; a != nil {
		if a.Bias || a.SlidingWindow != 0 || a.RoPE != nil || a.HeadDim*a.NumAttentionHeads != c.HiddenSize {
			return fmt.Errorf("attention with %+v; it has no bias, window or rotary embedding, and heads that add up to hidden_size %d", *a, c.HiddenSize)
		}
	}
	if m := p.mamba; m != nil {
		if m.DInner%c.HiddenSize != 0 || !m.InnerNorms || m.NormEps != c.RMSNormEps {
			return fmt.Errorf("mamba with %+v; its d_inner is a multiple of hidden_size %d, its inner norms are there and have the others' eps", *m, c.HiddenSize)
		}
	}
	if p.mlp != nil && p.mlp.Bias || p.moe != nil && p.moe.NormTopKProb || p.moe != nil && p.moe.NumExperts < 2 {
		return errors.New("the MLP has no bias; the experts' probabilities are not divided by their sum, and there are at least two")
	}
	if p.mlp != nil && p.moe != nil && p.mlp.IntermediateSize != p.moe.IntermediateSize {
		return fmt.Errorf("intermediate_size is %d in the MLP and %d in the experts", p.mlp.IntermediateSize, p.moe.IntermediateSize)
	}
	var attention, expert []bool
	for i, l := range c.Layers {
		if l.MLP == nil && l.MoE == nil {
			return fmt.Errorf("layer %d has no feed-forward", i)
		}
		attention, expert = append(attention, l.Attention != nil), append(expert, l.MoE != nil)
	}
	if err := errors.Join(w.period("attn_layer", attention), w.period("expert_layer", expert)); err != nil {
		return err
	}
	w["rms_norm_eps"] = c.RMSNormEps
	w["max_position_embeddings"] = c.MaxPositionEmbeddings
	w["use_mamba_kernels"] = false // which are CUDA's
	w["num_experts"], w["num_experts_per_tok"] = 1, 1
	if m := p.moe; m != nil {
		w["num_experts"], w["num_experts_per_tok"], w["intermediate_size"] = m.NumExperts, m.NumExpertsPerTok, m.IntermediateSize
	} else {
		w["intermediate_size"] = p.mlp.IntermediateSize
	}
	// The classes ask for the settings of both mixers even if the schedule has only one.
	a := p.attention
	if a == nil {
		a = &model.Attention{NumAttentionHeads: 1, NumKeyValueHeads: 1}
	}
	w["num_attention_heads"], w["num_key_value_heads"] = a.NumAttentionHeads, a.NumKeyValueHeads
	if m := p.mamba; m != nil {
		w["mamba_expand"], w["mamba_d_state"], w["mamba_d_conv"], w["mamba_dt_rank"] = m.DInner/c.HiddenSize, m.DState, m.DConv, m.DtRank
		w["mamba_conv_bias"], w["mamba_proj_bias"] = m.ConvBias, m.ProjBias
	}
	return nil
}

// period finds the period and the offset of the layers where is is true.
func (w hfWords) period(name string, is []bool) error {
	n := len(is)
	first := slices.Index(is, true)
	period, offset := n+1, n // of none
	if first >= 0 {
		period, offset = n, first // of one
		if next := slices.Index(is[first+1:], true); next >= 0 {
			period = next + 1
		}
	}
	for i := range is {
		if offset >= period || is[i] != (i%period == offset) {
			return fmt.Errorf("%s_period: the layers %v do not come in a period", name, indices(is))
		}
	}
	w[name+"_period"], w[name+"_offset"] = period, offset
	return nil
}

func indices(is []bool) (all []int) {
	for i, b := range is {
		if b {
			all = append(all, i)
		}
	}
	return all
}

func (w hfWords) mamba(c *model.Config) error {
	p, err := shared(c)
	if err != nil {
		return err
	}
	if p.attention != nil || p.mlp != nil || p.moe != nil {
		return errors.New("it has nothing but mamba layers")
	}
	m := p.mamba
	if m.DInner%c.HiddenSize != 0 || m.InnerNorms {
		return fmt.Errorf("mamba with %+v; its d_inner is a multiple of hidden_size %d, and it has no inner norms", *m, c.HiddenSize)
	}
	w["layer_norm_epsilon"] = c.RMSNormEps
	if c.MaxPositionEmbeddings != 0 {
		w["max_position_embeddings"] = c.MaxPositionEmbeddings
	}
	w["intermediate_size"] = m.DInner
	w["expand"], w["state_size"], w["conv_kernel"], w["time_step_rank"] = m.DInner/c.HiddenSize, m.DState, m.DConv, m.DtRank
	w["use_conv_bias"], w["use_bias"] = m.ConvBias, m.ProjBias
	return nil
}

func (w hfWords) transformer(c *model.Config) error {
	uniform, err := w.oneWindow(c)
	if err != nil {
		return err
	}
	p, err := shared(uniform)
	if err != nil {
		return err
	}
	a := p.attention
	if p.mamba != nil || a.RoPE == nil {
		return errors.New("every layer has attention with rotary embedding")
	}
	arch := classOf(c)
	for i, l := range c.Layers {
		if arch.experts != (l.MoE != nil) || arch.experts == (l.MLP != nil) {
			return fmt.Errorf("layer %d is %v", i, l)
		}
	}
	if !arch.biases && (a.Bias || p.mlp != nil && p.mlp.Bias) {
		return errors.New("there is no bias")
	}
	if arch.biases {
		w["attention_bias"], w["mlp_bias"] = a.Bias, p.mlp.Bias
	}
	switch {
	case !arch.windows && a.SlidingWindow != 0:
		return errors.New("attention has no window")
	case a.SlidingWindow != 0:
		w["sliding_window"] = a.SlidingWindow
	case arch.windows:
		w["sliding_window"] = nil
	}
	w["rms_norm_eps"] = c.RMSNormEps
	w["max_position_embeddings"] = c.MaxPositionEmbeddings
	w["num_attention_heads"], w["num_key_value_heads"], w["head_dim"] = a.NumAttentionHeads, a.NumKeyValueHeads, a.HeadDim
	if m := p.moe; m != nil {
		if !m.NormTopKProb {
			return errors.New("the experts' probabilities are divided by their sum")
		}
		w["num_local_experts"], w["num_experts_per_tok"], w["intermediate_size"] = m.NumExperts, m.NumExpertsPerTok, m.IntermediateSize
	} else {
		w["intermediate_size"] = p.mlp.IntermediateSize
	}
	return w.rope(a.RoPE)
}

// oneWindow returns c with all layers of a Mistral as those that have a window, if there are others as well, and adds
// layer_types, which says so.
func (w hfWords) oneWindow(c *model.Config) (*model.Config, error) {
	var windowed *model.Attention
	full := false
	for _, l := range c.Layers {
		switch a := l.Attention; {
		case a == nil:
			return nil, errors.New("every layer has attention with rotary embedding")
		case a.SlidingWindow > 0:
			windowed = a
		default:
			full = true
		}
	}
	if !classOf(c).someWindow || windowed == nil || !full {
		return c, nil
	}
	uniform, types := *c, []string(nil)
	uniform.Layers = slices.Clone(c.Layers)
	for i, l := range c.Layers {
		a := *l.Attention
		types = append(types, fullAttention)
		if a.SlidingWindow > 0 {
			types[i] = slidingAttention
		}
		a.SlidingWindow = max(a.SlidingWindow, windowed.SlidingWindow)
		uniform.Layers[i].Attention = &a
	}
	w["layer_types"] = types
	return &uniform, nil
}

// rope writes the older style, which classes of all versions read.
func (w hfWords) rope(r *model.RoPE) error {
	if r.FreqFactors != nil || r.Interleaved {
		return errors.New("the rotary embedding is a GGUF file's, whose tensors are ordered otherwise")
	}
	w["rope_theta"], w["rope_scaling"] = r.Theta, nil
	if r.Scaling == "" {
		return nil
	}
	s := hfWords{"rope_type": r.Scaling, "factor": r.Factor}
	for name, v := range map[string]float64{
		"original_max_position_embeddings": float64(r.OriginalMax), "low_freq_factor": r.LowFreq, "high_freq_factor": r.HighFreq,
		"beta_fast": r.BetaFast, "beta_slow": r.BetaSlow, "attention_factor": r.AttnFactor,
	} {
		if v != 0 {
			s[name] = v
		}
	}
	if r.Fractional {
		s["truncate"] = false
	}
	w["rope_scaling"] = s
	return nil
}

// SetConfig sets one word of a config.json.
func SetConfig(path, word string, value any) error {
	b, err := bounded.ReadText(path, maxConfig)
	if err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if all[word], err = json.Marshal(value); err != nil {
		return err
	}
	if b, err = json.MarshalIndent(all, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o666)
}
