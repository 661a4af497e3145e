package model

import "fmt"

// Config is a model: its sizes and the schedule of its layers. Jamba, Llama, Mistral, Mixtral and Mamba are different
// schedules of the same block. Names are those of Hugging Face's config.json.
type Config struct {
	Architecture          string // as in config.json's model_type: jamba, llama, mistral, mixtral or mamba
	VocabSize             int
	HiddenSize            int
	RMSNormEps            float32
	TieWordEmbeddings     bool
	MaxPositionEmbeddings int     // the longest sequence the model was made for; 0: not said
	BOSTokenID            int     // -1: none
	PADTokenID            int     // -1: none
	EOSTokenIDs           []int32 // as the file names them; nil: it does not speak of them, see DefaultEOS
	Layers                []Layer
}

// Layer is one layer's part in the schedule: a mixer, Attention or Mamba, and a feed-forward, MLP, MoE or none.
type Layer struct {
	Attention *Attention
	Mamba     *Mamba
	MLP       *MLP
	MoE       *MoE
}

// Attention configures grouped-query attention.
type Attention struct {
	NumAttentionHeads int   `json:"num_attention_heads"` // H
	NumKeyValueHeads  int   `json:"num_key_value_heads"` // G; query head h reads key/value head h/(H/G)
	HeadDim           int   `json:"head_dim"`            // D
	Bias              bool  `json:"bias"`
	SlidingWindow     int   `json:"sliding_window,omitempty"` // a token sees itself and the SlidingWindow-1 before it; 0: all
	RoPE              *RoPE `json:"rope,omitempty"`           // nil: no positional encoding
}

// Mamba configures a Mamba-1 mixer.
type Mamba struct {
	DInner     int     `json:"d_inner"` // E
	DState     int     `json:"d_state"` // S
	DConv      int     `json:"d_conv"`  // W
	DtRank     int     `json:"dt_rank"` // R
	ConvBias   bool    `json:"conv_bias"`
	ProjBias   bool    `json:"proj_bias"`
	InnerNorms bool    `json:"inner_norms"`        // RMSNorm on dt, B and C, which is Jamba's addition
	NormEps    float32 `json:"norm_eps,omitempty"` // of the inner norms
}

// MLP configures the gated feed-forward down(silu(gate(x))·up(x)).
type MLP struct {
	IntermediateSize int  `json:"intermediate_size"`
	Bias             bool `json:"bias"`
}

// MoE configures a mixture of experts, each an MLP without bias.
type MoE struct {
	IntermediateSize int  `json:"intermediate_size"`
	NumExperts       int  `json:"num_experts"`
	NumExpertsPerTok int  `json:"num_experts_per_tok"`
	NormTopKProb     bool `json:"norm_topk_prob"` // Mixtral: the chosen experts' probabilities are divided by their sum; Jamba: used as they are
}

// limit bounds every size: products of three of them fit an int64, and no model comes near.
const limit = 1 << 20

// Validate checks that the sizes are possible ones. Errors name the setting.
func (c *Config) Validate() error {
	if err := CheckSizes("vocab_size", c.VocabSize, "hidden_size", c.HiddenSize, "num_hidden_layers", len(c.Layers)); err != nil {
		return err
	}
	if !(c.RMSNormEps >= 0 && c.RMSNormEps < 1) {
		return fmt.Errorf("rms_norm_eps is %v", c.RMSNormEps)
	}
	for i, l := range c.Layers {
		if err := l.validate(); err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
	}
	return nil
}

func (l Layer) validate() error {
	if (l.Attention == nil) == (l.Mamba == nil) {
		return fmt.Errorf("has no mixer, or two")
	}
	if a := l.Attention; a != nil {
		if err := CheckSizes("num_attention_heads", a.NumAttentionHeads, "num_key_value_heads", a.NumKeyValueHeads, "head_dim", a.HeadDim); err != nil {
			return err
		}
		if a.NumAttentionHeads%a.NumKeyValueHeads != 0 {
			return fmt.Errorf("num_attention_heads %d is no multiple of num_key_value_heads %d", a.NumAttentionHeads, a.NumKeyValueHeads)
		}
		if a.SlidingWindow < 0 {
			return fmt.Errorf("sliding_window is %d", a.SlidingWindow)
		}
		if a.RoPE != nil {
			if a.HeadDim%2 != 0 {
				return fmt.Errorf("head_dim %d is odd, rotary embedding needs pairs", a.HeadDim)
			}
			if err := a.RoPE.validate(a.HeadDim); err != nil {
				return err
			}
		}
	}
	if m := l.Mamba; m != nil {
		if err := CheckSizes("mamba d_inner", m.DInner, "mamba_d_state", m.DState, "mamba_d_conv", m.DConv, "mamba_dt_rank", m.DtRank); err != nil {
			return err
		}
	}
	if l.MLP != nil && l.MoE != nil {
		return fmt.Errorf("has two feed-forwards")
	}
	if l.MLP != nil {
		return CheckSizes("intermediate_size", l.MLP.IntermediateSize)
	}
	if m := l.MoE; m != nil {
		if err := CheckSizes("intermediate_size", m.IntermediateSize, "num_experts", m.NumExperts, "num_experts_per_tok", m.NumExpertsPerTok); err != nil {
			return err
		}
		if m.NumExpertsPerTok > m.NumExperts {
			return fmt.Errorf("num_experts_per_tok %d is more than num_experts %d", m.NumExpertsPerTok, m.NumExperts)
		}
	}
	return nil
}

// CheckSizes returns an error that names the first of pairs of a name and a size, an int, which is no possible size.
func CheckSizes(pairs ...any) error {
	for i := 0; i < len(pairs); i += 2 {
		if n := pairs[i+1].(int); n < 1 || n > limit {
			return fmt.Errorf("%s is %d, want 1 to %d", pairs[i], n, limit)
		}
	}
	return nil
}

// String describes the layer in a few words, such as "attention + moe".
func (l Layer) String() string {
	s := "mamba"
	if l.Attention != nil {
		s = "attention"
	}
	switch {
	case l.MLP != nil:
		s += " + mlp"
	case l.MoE != nil:
		s += " + moe"
	}
	return s
}
