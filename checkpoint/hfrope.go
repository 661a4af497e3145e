package checkpoint

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"jamba/internal/printable"
	"jamba/model"
)

type hfRoPE struct {
	RopeTheta       *float64 `json:"rope_theta"`
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

// hfRoPEKeys are the settings that each way of scaling has, beside rope_type, type and rope_theta.
var hfRoPEKeys = map[string]map[string]bool{
	"":        {},
	"default": {},
	"linear":  set("factor"),
	"llama3":  set("factor original_max_position_embeddings low_freq_factor high_freq_factor"),
	"yarn":    set("factor original_max_position_embeddings attention_factor beta_fast beta_slow mscale mscale_all_dim truncate"),
}

// hfRoPENames are the keys of hfRoPE.
var hfRoPENames = func() map[string]bool {
	all := set("rope_type type rope_theta partial_rotary_factor")
	for _, own := range hfRoPEKeys {
		maps.Copy(all, own)
	}
	return all
}()

// rope reads the rotary embedding as the reference does: rope_scaling counts before rope_parameters, all of it, and
// rope_theta beside them where the one that counts has none.
func (h *hfConfig) rope() (_ *model.RoPE, warnings []string, err error) {
	where, raw := "rope_parameters", h.RopeParameters
	if s := h.RopeScaling; len(s) > 0 && !neutral(s, nil, false) {
		if len(raw) > 0 && !neutral(raw, nil, false) && string(raw) != string(s) {
			warnings = append(warnings, "rope_scaling counts, and rope_parameters beside it does not")
		}
		where, raw = "rope_scaling", s
	}
	if err := fullRotary(h.PartialRotary); err != nil {
		return nil, nil, err
	}
	r := &model.RoPE{Theta: h.RopeTheta}
	if len(raw) == 0 || neutral(raw, nil, false) {
		return r, warnings, nil
	}
	var p hfRoPE
	var keys map[string]json.RawMessage
	if err = decode(raw, &keys); err == nil {
		// By their exact names, which the decoder does not insist on.
		exact := maps.Clone(keys)
		maps.DeleteFunc(exact, func(key string, _ json.RawMessage) bool { return !hfRoPENames[key] })
		if raw, err = json.Marshal(exact); err == nil {
			err = decode(raw, &p)
		}
	}
	if err == nil {
		err = fullRotary(p.PartialRotary)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", where, err)
	}
	if p.RopeTheta != nil {
		r.Theta = *p.RopeTheta
	}
	r.Scaling = p.RopeType
	if r.Scaling == "" {
		r.Scaling = p.Type
	}
	own, known := hfRoPEKeys[r.Scaling]
	var unknown []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		var nested map[string]json.RawMessage
		switch {
		case key == "rope_type" || key == "type" || key == "rope_theta" || key == "partial_rotary_factor" || own[key] || neutral(keys[key], nil, true):
		case json.Unmarshal(keys[key], &nested) == nil:
			return nil, nil, fmt.Errorf("%s: %s has settings of its own: a rotary embedding for each kind of layer is not supported", where, printable.Cut(key, 60))
		default:
			unknown = append(unknown, where+"."+key)
		}
	}
	if known {
		kind := r.Scaling
		if kind == "" {
			kind = "default"
		}
		warnings = append(warnings, named(unknown, "no setting of rope_type "+kind+", passed over")...)
	}
	switch r.Scaling {
	case "default", "":
		return &model.RoPE{Theta: r.Theta}, warnings, nil
	case "linear":
		r.Factor = p.Factor
	case "llama3":
		r.Factor, r.LowFreq, r.HighFreq, r.OriginalMax = p.Factor, p.LowFreqFactor, p.HighFreqFactor, h.originalMax(&p)
	case "yarn":
		r.Factor, r.AttnFactor, r.OriginalMax = p.Factor, p.AttentionFactor, h.originalMax(&p)
		r.BetaFast, r.BetaSlow = 32, 1
		if p.BetaFast != nil && *p.BetaFast != 0 {
			r.BetaFast = *p.BetaFast
		}
		if p.BetaSlow != nil && *p.BetaSlow != 0 {
			r.BetaSlow = *p.BetaSlow
		}
		if r.Factor == 0 && r.OriginalMax > 0 {
			r.Factor = float64(h.MaxPositionEmbeddings) / float64(r.OriginalMax)
		}
		r.Fractional = p.Truncate != nil && !*p.Truncate
		if r.AttnFactor == 0 && p.MScale != 0 && p.MScaleAllDim != 0 {
			r.AttnFactor = model.YarnScale(r.Factor, p.MScale) / model.YarnScale(r.Factor, p.MScaleAllDim)
		}
	}
	return r, warnings, nil
}

// originalMax is the length that the model was trained on before it was stretched: beside the settings, in them, or the
// length it is for.
func (h *hfConfig) originalMax(p *hfRoPE) int {
	switch {
	case h.OriginalMax != 0:
		return h.OriginalMax
	case p.OriginalMax != 0:
		return p.OriginalMax
	}
	return h.MaxPositionEmbeddings
}

func fullRotary(factor *float64) error {
	if factor != nil && *factor != 1 {
		return fmt.Errorf("partial_rotary_factor %v is not supported", *factor)
	}
	return nil
}
