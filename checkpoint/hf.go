package checkpoint

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"jamba/internal/printable"
	"jamba/model"
)

// hfConfig is config.json of all architectures in one; see hfRead for which has which.
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

	RopeTheta      float64         `json:"rope_theta"`
	PartialRotary  *float64        `json:"partial_rotary_factor"`
	OriginalMax    int             `json:"original_max_position_embeddings"` // some files have it here
	RopeScaling    json.RawMessage `json:"rope_scaling"`                     // the older style
	RopeParameters json.RawMessage `json:"rope_parameters"`                  // the newer style, with rope_theta inside

	LayerTypes      *[]string `json:"layer_types"`
	LayersBlockType *[]string `json:"layers_block_type"` // Jamba's older name for it

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
	RescalePrenorm    bool     `json:"rescale_prenorm_residual"`
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

// hfDefaults returns the values of keys that a config.json leaves out, by architecture. They are made again for each
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

// classNames are the names of the architectures that config.json may give.
var classNames = []string{"JambaForCausalLM", "LlamaForCausalLM", "MistralForCausalLM", "MixtralForCausalLM", "MambaForCausalLM"}

// ParseConfig reads a Hugging Face config.json. It is an error if a key makes another network than the reference's
// classes of these architectures compute; see Checkpoint.Warnings for what is passed over.
func ParseConfig(b []byte) (model.Config, error) {
	c, _, err := parseConfig(b)
	return c, err
}

// parseConfig is ParseConfig, and returns what a user should know of the file.
func parseConfig(b []byte) (c model.Config, warnings []string, err error) {
	var all map[string]json.RawMessage
	if err := decode(b, &all); err != nil {
		return model.Config{}, nil, err
	}
	arch, warnings, err := architecture(all)
	if err != nil {
		return model.Config{}, nil, err
	}
	read, more, err := sortKeys(arch, all)
	if err != nil {
		return model.Config{}, nil, err
	}
	warnings = append(warnings, more...)
	h := hfDefaults()[arch]
	if b, err = json.Marshal(read); err == nil {
		err = decode(b, &h)
	}
	if err != nil {
		return model.Config{}, nil, err
	}
	if h.HiddenAct != "silu" && h.HiddenAct != "swish" {
		return model.Config{}, nil, fmt.Errorf("hidden_act \"%s\" is not supported; silu is", printable.Cut(h.HiddenAct, 60))
	}
	if err := model.CheckSizes("hidden_size", h.HiddenSize); err != nil {
		return model.Config{}, nil, err
	}
	if n := h.NumHiddenLayers; n < 1 || n > maxLayers {
		return model.Config{}, nil, fmt.Errorf("num_hidden_layers is %d, want 1 to %d", n, maxLayers)
	}
	c = model.Config{
		Architecture: strings.ToLower(strings.TrimSuffix(arch, "ForCausalLM")),
		VocabSize:    h.VocabSize, HiddenSize: h.HiddenSize, RMSNormEps: h.RMSNormEps, TieWordEmbeddings: h.TieWordEmbeddings,
		MaxPositionEmbeddings: h.MaxPositionEmbeddings, BOSTokenID: orNone(h.BOSTokenID), PADTokenID: orNone(h.PADTokenID), EOSTokenIDs: h.EOSTokenID,
	}
	switch arch {
	case "JambaForCausalLM":
		err = h.jamba(&c)
	case "MambaForCausalLM":
		err = h.mamba(&c)
	default:
		more, err = h.transformer(&c)
		warnings = append(warnings, more...)
	}
	if err == nil {
		err = h.checkLayerTypes(&c)
	}
	if err != nil {
		return model.Config{}, nil, err
	}
	return c, warnings, c.Validate()
}

// maxLayers bounds the layers of a network: they are made before anything of its weights is known.
const maxLayers = 1 << 14

// decode is json.Unmarshal with errors that speak of the file and not of Go's types.
func decode(b []byte, v any) error {
	err := json.Unmarshal(b, v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		value := printable.Cut(wrong.Value, 60) // of a number, all its digits
		if wrong.Field == "" {
			return fmt.Errorf("is a JSON %s, want an object", value)
		}
		want := "another type"
		switch wrong.Type.Kind() {
		case reflect.Int, reflect.Int32:
			want = "an integer"
		case reflect.Float32, reflect.Float64:
			want = "a number"
		case reflect.Bool:
			want = "true or false"
		case reflect.String:
			want = "text"
		case reflect.Slice:
			want = "a list"
		case reflect.Struct:
			want = "an object"
		}
		return fmt.Errorf("%s is a JSON %s, want %s", printable.Cut(wrong.Field, 100), value, want)
	}
	return err
}

func orNone(id *int) int {
	if id == nil {
		return -1
	}
	return *id
}

func (h *hfConfig) attention() (*model.Attention, error) {
	if err := model.CheckSizes("num_attention_heads", h.NumAttentionHeads); err != nil {
		return nil, err
	}
	a := &model.Attention{NumAttentionHeads: h.NumAttentionHeads, NumKeyValueHeads: h.NumAttentionHeads, HeadDim: h.HiddenSize / h.NumAttentionHeads}
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
func (h *hfConfig) jamba(c *model.Config) error {
	if h.NumLocalExperts != 0 {
		h.NumExperts = h.NumLocalExperts
	}
	if err := model.CheckSizes("attn_layer_period", h.AttnLayerPeriod, "expert_layer_period", h.ExpertLayerPeriod, "mamba_expand", h.MambaExpand); err != nil {
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
	mamba := &model.Mamba{
		DInner: h.MambaExpand * h.HiddenSize, DState: h.MambaDState, DConv: h.MambaDConv, DtRank: h.MambaDtRank.of(h.HiddenSize),
		ConvBias: h.MambaConvBias, ProjBias: h.MambaProjBias, InnerNorms: true, NormEps: h.RMSNormEps,
	}
	mlp := &model.MLP{IntermediateSize: h.IntermediateSize}
	moe := &model.MoE{IntermediateSize: h.IntermediateSize, NumExperts: h.NumExperts, NumExpertsPerTok: h.NumExpertsPerTok}
	for i := range h.NumHiddenLayers {
		l := model.Layer{Mamba: mamba, MLP: mlp}
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
func (h *hfConfig) transformer(c *model.Config) (warnings []string, err error) {
	attention, err := h.attention()
	if err != nil {
		return nil, err
	}
	attention.Bias = h.AttentionBias
	if attention.RoPE, warnings, err = h.rope(); err != nil {
		return nil, err
	}
	if w := h.SlidingWindow; w != nil {
		if *w < 1 {
			return nil, fmt.Errorf("sliding_window is %d, want null or at least 1", *w)
		}
		attention.SlidingWindow = *w
	}
	full := *attention
	full.SlidingWindow = 0
	l := model.Layer{Attention: attention, MLP: &model.MLP{IntermediateSize: h.IntermediateSize, Bias: h.MLPBias}}
	if classOf(c).experts {
		if h.NumExperts != 0 {
			h.NumLocalExperts = h.NumExperts
		}
		l.MLP, l.MoE = nil, &model.MoE{IntermediateSize: h.IntermediateSize, NumExperts: h.NumLocalExperts, NumExpertsPerTok: h.NumExpertsPerTok, NormTopKProb: true}
	}
	for i := range h.NumHiddenLayers {
		l.Attention = attention
		// The reference takes a Mistral with layer_types for a Ministral.
		if types := h.LayerTypes; classOf(c).someWindow && types != nil && i < len(*types) && canonical((*types)[i]) == fullAttention {
			l.Attention = &full
		}
		c.Layers = append(c.Layers, l)
	}
	return warnings, nil
}

// mamba has nothing but Mamba mixers.
func (h *hfConfig) mamba(c *model.Config) error {
	if h.RescalePrenorm {
		return errors.New("rescale_prenorm_residual true is about how weights are initialized, but the reference divides loaded ones by it, too; if these are final, as they are as a rule, set it to false")
	}
	c.RMSNormEps = h.LayerNormEpsilon
	m := &model.Mamba{
		DInner: cmp.Or(h.IntermediateSize, h.Expand*h.HiddenSize), DState: h.StateSize, DConv: h.ConvKernel, DtRank: h.TimeStepRank.of(h.HiddenSize),
		ConvBias: h.UseConvBias, ProjBias: h.UseBias,
	}
	for range h.NumHiddenLayers {
		c.Layers = append(c.Layers, model.Layer{Mamba: m})
	}
	return nil
}
