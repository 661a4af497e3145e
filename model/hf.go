package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// hfConfig is config.json of all architectures in one; unknown keys are ignored, as old and new files carry many.
type hfConfig struct {
	Architectures         []string `json:"architectures"`
	ModelType             string   `json:"model_type"`
	VocabSize             int      `json:"vocab_size"`
	HiddenSize            int      `json:"hidden_size"`
	IntermediateSize      int      `json:"intermediate_size"`
	NumHiddenLayers       int      `json:"num_hidden_layers"`
	NumAttentionHeads     int      `json:"num_attention_heads"`
	NumKeyValueHeads      *int     `json:"num_key_value_heads"` // null: one for each head
	HeadDim               *int     `json:"head_dim"`            // null: hidden_size / num_attention_heads
	SlidingWindow         *int     `json:"sliding_window"`
	HiddenAct             string   `json:"hidden_act"`
	RMSNormEps            float32  `json:"rms_norm_eps"`
	LayerNormEpsilon      float32  `json:"layer_norm_epsilon"` // mamba's name for it
	TieWordEmbeddings     bool     `json:"tie_word_embeddings"`
	MaxPositionEmbeddings int      `json:"max_position_embeddings"`
	AttentionBias         bool     `json:"attention_bias"`
	MLPBias               bool     `json:"mlp_bias"`
	PADTokenID            *int     `json:"pad_token_id"`
	BOSTokenID            *int     `json:"bos_token_id"`
	EOSTokenID            TokenIDs `json:"eos_token_id"`

	RopeTheta      float64  `json:"rope_theta"`
	PartialRotary  *float64 `json:"partial_rotary_factor"`
	RopeScaling    *hfRoPE  `json:"rope_scaling"`    // the older style
	RopeParameters *hfRoPE  `json:"rope_parameters"` // the newer style, with rope_theta inside

	NumExperts        int      `json:"num_experts"`
	NumLocalExperts   int      `json:"num_local_experts"`
	NumExpertsPerTok  int      `json:"num_experts_per_tok"`
	ExpertLayerPeriod int      `json:"expert_layer_period"`
	ExpertLayerOffset int      `json:"expert_layer_offset"`
	AttnLayerPeriod   int      `json:"attn_layer_period"`
	AttnLayerOffset   int      `json:"attn_layer_offset"`
	MambaDState       int      `json:"mamba_d_state"`
	MambaDConv        int      `json:"mamba_d_conv"`
	MambaExpand       int      `json:"mamba_expand"`
	MambaDtRank       hfDtRank `json:"mamba_dt_rank"`
	MambaConvBias     bool     `json:"mamba_conv_bias"`
	MambaProjBias     bool     `json:"mamba_proj_bias"`
	StateSize         int      `json:"state_size"` // mamba's names from here
	ConvKernel        int      `json:"conv_kernel"`
	Expand            int      `json:"expand"`
	TimeStepRank      hfDtRank `json:"time_step_rank"`
	UseBias           bool     `json:"use_bias"`
	UseConvBias       bool     `json:"use_conv_bias"`
}

type hfRoPE struct {
	RopeTheta       float64  `json:"rope_theta"`
	RopeType        string   `json:"rope_type"`
	Type            string   `json:"type"` // rope_type's older name
	Factor          float64  `json:"factor"`
	OriginalMax     int      `json:"original_max_position_embeddings"`
	LowFreqFactor   float64  `json:"low_freq_factor"`
	HighFreqFactor  float64  `json:"high_freq_factor"`
	BetaFast        *float64 `json:"beta_fast"`
	BetaSlow        *float64 `json:"beta_slow"`
	AttentionFactor float64  `json:"attention_factor"`
	MScale          float64  `json:"mscale"`
	MScaleAllDim    float64  `json:"mscale_all_dim"`
	Truncate        *bool    `json:"truncate"`
	PartialRotary   *float64 `json:"partial_rotary_factor"`
}

// hfDtRank is a number or "auto".
type hfDtRank int

func (r *hfDtRank) UnmarshalJSON(b []byte) error {
	if string(b) == `"auto"` || string(b) == "null" {
		*r = 0
		return nil
	}
	return json.Unmarshal(b, (*int)(r))
}

func (r hfDtRank) of(hiddenSize int) int {
	if r == 0 {
		return (hiddenSize + 15) / 16
	}
	return int(r)
}

// TokenIDs is one token id or a list of them in JSON.
type TokenIDs []int32

// UnmarshalJSON reads a number, a list of numbers or null, which is none.
func (t *TokenIDs) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*t = TokenIDs{}
		return nil
	}
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]int32)(t))
	}
	var id int32
	if err := json.Unmarshal(b, &id); err != nil {
		return err
	}
	*t = TokenIDs{id}
	return nil
}

// hfDefaults returns the values of keys that a config.json leaves out, by architecture. They are made anew for each
// call, since decoding writes through their pointers.
func hfDefaults() map[string]hfConfig {
	return map[string]hfConfig{
		"JambaForCausalLM": {
			VocabSize: 65536, HiddenSize: 4096, IntermediateSize: 14336, NumHiddenLayers: 32, NumAttentionHeads: 32, NumKeyValueHeads: new(8),
			HiddenAct: "silu", RMSNormEps: 1e-6, MaxPositionEmbeddings: 262144, PADTokenID: new(0), BOSTokenID: new(1),
			NumExperts: 16, NumExpertsPerTok: 2, ExpertLayerPeriod: 2, ExpertLayerOffset: 1, AttnLayerPeriod: 8, AttnLayerOffset: 4,
			MambaDState: 16, MambaDConv: 4, MambaExpand: 2, MambaConvBias: true,
		},
		"LlamaForCausalLM": {
			VocabSize: 32000, HiddenSize: 4096, IntermediateSize: 11008, NumHiddenLayers: 32, NumAttentionHeads: 32,
			HiddenAct: "silu", RMSNormEps: 1e-6, MaxPositionEmbeddings: 2048, BOSTokenID: new(1), RopeTheta: 10000,
		},
		"MistralForCausalLM": {
			VocabSize: 32000, HiddenSize: 4096, IntermediateSize: 14336, NumHiddenLayers: 32, NumAttentionHeads: 32, NumKeyValueHeads: new(8),
			HiddenAct: "silu", RMSNormEps: 1e-6, MaxPositionEmbeddings: 131072, BOSTokenID: new(1), RopeTheta: 10000,
			SlidingWindow: new(4096),
		},
		"MixtralForCausalLM": {
			VocabSize: 32000, HiddenSize: 4096, IntermediateSize: 14336, NumHiddenLayers: 32, NumAttentionHeads: 32, NumKeyValueHeads: new(8),
			HiddenAct: "silu", RMSNormEps: 1e-5, MaxPositionEmbeddings: 131072, BOSTokenID: new(1), RopeTheta: 1e6,
			NumLocalExperts: 8, NumExpertsPerTok: 2,
		},
		"MambaForCausalLM": {
			VocabSize: 50280, HiddenSize: 768, NumHiddenLayers: 32, HiddenAct: "silu", LayerNormEpsilon: 1e-5, TieWordEmbeddings: true,
			PADTokenID: new(0), BOSTokenID: new(0), StateSize: 16, ConvKernel: 4, Expand: 2, UseConvBias: true,
		},
	}
}

// Architectures are the names of the architectures that config.json may give.
var Architectures = []string{"JambaForCausalLM", "LlamaForCausalLM", "MistralForCausalLM", "MixtralForCausalLM", "MambaForCausalLM"}

// ParseConfig reads a Hugging Face config.json.
func ParseConfig(b []byte) (Config, error) {
	var head hfConfig
	if err := decode(b, &head); err != nil {
		return Config{}, err
	}
	arch := ""
	if len(head.Architectures) > 0 {
		arch = head.Architectures[0]
	} else if head.ModelType != "" {
		arch = strings.ToUpper(head.ModelType[:1]) + head.ModelType[1:] + "ForCausalLM"
	}
	h, ok := hfDefaults()[arch]
	if !ok {
		return Config{}, fmt.Errorf("architecture %q is not supported; %s are", arch, strings.Join(Architectures, ", "))
	}
	if err := decode(b, &h); err != nil {
		return Config{}, err
	}
	if h.HiddenAct != "silu" {
		return Config{}, fmt.Errorf("hidden_act %q is not supported; silu is", h.HiddenAct)
	}
	if err := sizes("num_hidden_layers", h.NumHiddenLayers, "hidden_size", h.HiddenSize); err != nil {
		return Config{}, err
	}
	c := Config{
		Architecture: strings.ToLower(strings.TrimSuffix(arch, "ForCausalLM")),
		VocabSize:    h.VocabSize, HiddenSize: h.HiddenSize, RMSNormEps: h.RMSNormEps, TieWordEmbeddings: h.TieWordEmbeddings,
		MaxPositionEmbeddings: h.MaxPositionEmbeddings, BOSTokenID: orNone(h.BOSTokenID), PADTokenID: orNone(h.PADTokenID), EOSTokenIDs: h.EOSTokenID,
	}
	var err error
	switch arch {
	case "JambaForCausalLM":
		err = h.jamba(&c)
	case "MambaForCausalLM":
		h.mamba(&c)
	default:
		err = h.transformer(&c)
	}
	if err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}

// decode is json.Unmarshal with errors that speak of the file and not of Go's types.
func decode(b []byte, h *hfConfig) error {
	err := json.Unmarshal(b, h)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field == "" {
			return fmt.Errorf("is a JSON %s, want an object", wrong.Value)
		}
		want := "another type"
		switch wrong.Type.Kind() {
		case reflect.Int, reflect.Int32:
			want = "a whole number"
		case reflect.Float32, reflect.Float64:
			want = "a number"
		case reflect.Bool:
			want = "true or false"
		case reflect.Struct:
			want = "an object"
		}
		return fmt.Errorf("%s is a JSON %s, want %s", wrong.Field, wrong.Value, want)
	}
	return err
}

func orNone(id *int) int {
	if id == nil {
		return -1
	}
	return *id
}

func (h *hfConfig) attention() (*Attention, error) {
	if err := sizes("num_attention_heads", h.NumAttentionHeads); err != nil {
		return nil, err
	}
	a := &Attention{NumAttentionHeads: h.NumAttentionHeads, NumKeyValueHeads: h.NumAttentionHeads, HeadDim: h.HiddenSize / h.NumAttentionHeads}
	if h.NumKeyValueHeads != nil {
		a.NumKeyValueHeads = *h.NumKeyValueHeads
	}
	if h.HeadDim != nil {
		a.HeadDim = *h.HeadDim
	} else if h.HiddenSize%h.NumAttentionHeads != 0 {
		return nil, fmt.Errorf("hidden_size %d is no multiple of num_attention_heads %d", h.HiddenSize, h.NumAttentionHeads)
	}
	return a, nil
}

// jamba interleaves attention and Mamba, MLP and MoE by two periods and offsets. No positional encoding: the Mamba
// layers carry order.
func (h *hfConfig) jamba(c *Config) error {
	if h.NumLocalExperts != 0 {
		h.NumExperts = h.NumLocalExperts
	}
	if err := sizes("attn_layer_period", h.AttnLayerPeriod, "expert_layer_period", h.ExpertLayerPeriod, "mamba_expand", h.MambaExpand); err != nil {
		return err
	}
	if h.AttnLayerOffset < 0 || h.AttnLayerOffset >= h.AttnLayerPeriod {
		return fmt.Errorf("attn_layer_offset %d is not smaller than attn_layer_period %d", h.AttnLayerOffset, h.AttnLayerPeriod)
	}
	if h.ExpertLayerOffset < 0 || h.ExpertLayerOffset >= h.ExpertLayerPeriod {
		return fmt.Errorf("expert_layer_offset %d is not smaller than expert_layer_period %d", h.ExpertLayerOffset, h.ExpertLayerPeriod)
	}
	attention, err := h.attention()
	if err != nil {
		return err
	}
	mamba := &Mamba{
		DInner: h.MambaExpand * h.HiddenSize, DState: h.MambaDState, DConv: h.MambaDConv, DtRank: h.MambaDtRank.of(h.HiddenSize),
		ConvBias: h.MambaConvBias, ProjBias: h.MambaProjBias, InnerNorms: true, NormEps: h.RMSNormEps,
	}
	mlp := &MLP{IntermediateSize: h.IntermediateSize}
	moe := &MoE{IntermediateSize: h.IntermediateSize, NumExperts: h.NumExperts, NumExpertsPerTok: h.NumExpertsPerTok}
	for i := range h.NumHiddenLayers {
		l := Layer{Mamba: mamba, MLP: mlp}
		if i%h.AttnLayerPeriod == h.AttnLayerOffset {
			l.Attention, l.Mamba = attention, nil
		}
		if i%h.ExpertLayerPeriod == h.ExpertLayerOffset && h.NumExperts > 1 {
			l.MLP, l.MoE = nil, moe
		}
		c.Layers = append(c.Layers, l)
	}
	return nil
}

// transformer is Llama, Mistral and Mixtral: attention with RoPE and an MLP or a MoE in every layer.
func (h *hfConfig) transformer(c *Config) error {
	attention, err := h.attention()
	if err != nil {
		return err
	}
	attention.Bias = h.AttentionBias
	if h.SlidingWindow != nil && c.Architecture != "llama" {
		attention.SlidingWindow = *h.SlidingWindow
	}
	if attention.RoPE, err = h.rope(); err != nil {
		return err
	}
	l := Layer{Attention: attention, MLP: &MLP{IntermediateSize: h.IntermediateSize, Bias: h.MLPBias}}
	if c.Architecture == "mixtral" {
		l.MLP, l.MoE = nil, &MoE{IntermediateSize: h.IntermediateSize, NumExperts: h.NumLocalExperts, NumExpertsPerTok: h.NumExpertsPerTok, NormTopKProb: true}
	}
	for range h.NumHiddenLayers {
		c.Layers = append(c.Layers, l)
	}
	return nil
}

// mamba has nothing but Mamba mixers.
func (h *hfConfig) mamba(c *Config) {
	c.RMSNormEps = h.LayerNormEpsilon
	m := &Mamba{
		DInner: h.Expand * h.HiddenSize, DState: h.StateSize, DConv: h.ConvKernel, DtRank: h.TimeStepRank.of(h.HiddenSize),
		ConvBias: h.UseConvBias, ProjBias: h.UseBias,
	}
	for range h.NumHiddenLayers {
		c.Layers = append(c.Layers, Layer{Mamba: m})
	}
}

func (h *hfConfig) rope() (*RoPE, error) {
	r := &RoPE{Theta: h.RopeTheta}
	if h.PartialRotary != nil && *h.PartialRotary != 1 {
		return nil, fmt.Errorf("partial_rotary_factor %v is not supported", *h.PartialRotary)
	}
	p := h.RopeParameters
	if p == nil {
		p = h.RopeScaling
	}
	if p == nil {
		return r, nil
	}
	if p.PartialRotary != nil && *p.PartialRotary != 1 {
		return nil, fmt.Errorf("partial_rotary_factor %v is not supported", *p.PartialRotary)
	}
	if p.RopeTheta != 0 {
		r.Theta = p.RopeTheta
	}
	r.Scaling = p.RopeType
	if r.Scaling == "" {
		r.Scaling = p.Type
	}
	r.Factor, r.OriginalMax, r.LowFreq, r.HighFreq, r.AttnFactor = p.Factor, p.OriginalMax, p.LowFreqFactor, p.HighFreqFactor, p.AttentionFactor
	switch r.Scaling {
	case "default", "":
		return &RoPE{Theta: r.Theta}, nil
	case "yarn":
		r.BetaFast, r.BetaSlow = 32, 1
		if p.BetaFast != nil {
			r.BetaFast = *p.BetaFast
		}
		if p.BetaSlow != nil {
			r.BetaSlow = *p.BetaSlow
		}
		if r.OriginalMax == 0 {
			r.OriginalMax = h.MaxPositionEmbeddings
		}
		if r.Factor == 0 && r.OriginalMax > 0 {
			r.Factor = float64(h.MaxPositionEmbeddings) / float64(r.OriginalMax)
		}
		r.Fractional = p.Truncate != nil && !*p.Truncate
		if r.AttnFactor == 0 && p.MScale != 0 && p.MScaleAllDim != 0 {
			r.AttnFactor = yarnScale(r.Factor, p.MScale) / yarnScale(r.Factor, p.MScaleAllDim)
		}
	}
	return r, nil
}
