package lora

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"jamba/internal/printable"
)

// peftConfig is adapter_config.json with the settings that are honoured, and those that have to be as they are here.
type peftConfig struct {
	PEFTType     string          `json:"peft_type"`
	TaskType     *string         `json:"task_type"`
	Base         *string         `json:"base_model_name_or_path"`
	R            int             `json:"r"`
	Alpha        float64         `json:"lora_alpha"`
	Dropout      float64         `json:"lora_dropout"`
	RSLoRA       bool            `json:"use_rslora"`
	Targets      setting         `json:"target_modules"`
	Exclude      setting         `json:"exclude_modules"`
	Layers       json.RawMessage `json:"layers_to_transform"` // numbers, or one
	LayerNames   setting         `json:"layers_pattern"`
	Ranks        patterns        `json:"rank_pattern"`
	Alphas       patterns        `json:"alpha_pattern"`
	Bias         string          `json:"bias"`
	FanInFanOut  bool            `json:"fan_in_fan_out"`
	ModulesSaved []string        `json:"modules_to_save"`
	Tying        bool            `json:"ensure_weight_tying"`
	DoRA         bool            `json:"use_dora"`
	Inference    bool            `json:"inference_mode"`
	Init         json.RawMessage `json:"init_lora_weights"`
}

// honoured are the settings of peftConfig.
var honoured = []string{
	"peft_type", "task_type", "base_model_name_or_path", "r", "lora_alpha", "lora_dropout", "use_rslora", "target_modules",
	"exclude_modules", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern", "bias", "fan_in_fan_out",
	"modules_to_save", "ensure_weight_tying", "use_dora", "inference_mode", "init_lora_weights",
}

// indifferent are settings of PEFT that do not change what a trained adapter computes: how it was trained.
var indifferent = []string{
	"auto_mapping", "peft_version", "revision", "loftq_config", "eva_config", "corda_config", "lora_ga_config", "velora_config",
	"megatron_core", "qalora_group_size", "runtime_config", "modules_to_tie", "target_modules_to_tie",
}

// refused are settings of PEFT that make other numbers, with what they do.
var refused = map[string]string{
	"lora_bias":               "biases beside lora_B",
	"target_parameters":       "parameters that are no module's weight, such as experts in one tensor",
	"trainable_token_indices": "rows of the embedding",
	"layer_replication":       "another network",
	"megatron_config":         "layers of another library",
	"alora_invocation_tokens": "an adapter that counts from a token on",
	"use_qalora":              "QALoRA",
	"use_bdlora":              "block-diagonal matrices",
	"arrow_config":            "a choice among several adapters",
	"kasa_config":             "other weights of the base model",
	"monteclora_config":       "random matrices",
}

// changesBase are the ways to begin that change the weights of the base model. PEFT would compute them again.
var changesBase = []string{"pissa", "olora", "corda", "loftq", "lora_ga"}

// maxShown bounds the bytes that are quoted of a setting.
const maxShown = 100

// ParseConfig reads an adapter_config.json. A setting that cannot be honoured is an error, one that is not known a warning.
func ParseConfig(b []byte) (c Config, warnings []string, err error) {
	f := peftConfig{R: 8, Alpha: 8, Bias: "none"} // PEFT's defaults
	var all map[string]json.RawMessage
	err = json.Unmarshal(b, &all)
	for name, v := range map[string]json.Unmarshaler{
		"target_modules": &f.Targets, "exclude_modules": &f.Exclude, "layers_pattern": &f.LayerNames, "rank_pattern": &f.Ranks, "alpha_pattern": &f.Alphas,
	} {
		if value, ok := all[name]; ok && err == nil {
			if err := v.UnmarshalJSON(value); err != nil {
				return c, nil, fmt.Errorf("%s %w", name, err)
			}
		}
	}
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	if err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return c, nil, fmt.Errorf("%s is a JSON %s", cmp.Or(wrong.Field, "the file"), printable.Cut(wrong.Value, maxShown))
		}
		return c, nil, errors.New(printable.Cut(err.Error(), 2*maxShown))
	}
	if f.PEFTType != "LORA" {
		return c, nil, fmt.Errorf("peft_type is %q; LORA is supported", printable.Cut(f.PEFTType, maxShown))
	}
	if warnings, err = f.check(all); err != nil {
		return c, nil, err
	}
	c = Config{
		R: f.R, Alpha: f.Alpha, RSLoRA: f.RSLoRA, ranks: f.Ranks, alphas: f.Alphas, Targets: f.Targets.list, pattern: f.Targets.text,
		exclude: f.Exclude, layerNames: f.LayerNames.list, saved: f.ModulesSaved, tying: f.Tying,
	}
	if f.LayerNames.text != "" {
		c.layerNames = []string{f.LayerNames.text}
	}
	if f.Base != nil {
		c.Base = *f.Base
	}
	if c.layers, err = layers(f.Layers); err != nil {
		return c, nil, fmt.Errorf("layers_to_transform: %w", err)
	}
	switch {
	case f.Targets.empty() && len(c.saved) == 0:
		return c, nil, errors.New("target_modules " + neither)
	case c.pattern != "" && (c.layers != nil || c.layerNames != nil):
		return c, nil, errors.New("layers_to_transform and layers_pattern cannot be beside target_modules that is a string")
	case c.layerNames != nil && c.layers == nil:
		return c, nil, errors.New("layers_pattern is there without layers_to_transform")
	}
	return c, warnings, nil
}

// layers reads one number or a list; nil: none.
func layers(b json.RawMessage) (map[int]bool, error) {
	if len(b) == 0 {
		return nil, nil
	}
	var list []int
	if err := json.Unmarshal(b, &list); err != nil { // null is a list, too
		list = make([]int, 1)
		if json.Unmarshal(b, &list[0]) != nil {
			return nil, errors.New("want an integer, or a list of them")
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	all := map[int]bool{}
	for _, i := range list {
		all[i] = true
	}
	return all, nil
}

// check finds settings that cannot be honoured, and those that are passed over.
func (f *peftConfig) check(all map[string]json.RawMessage) (warnings []string, err error) {
	switch {
	case f.Bias != "none":
		return nil, fmt.Errorf("bias is %q; none is supported", printable.Cut(f.Bias, maxShown))
	case f.DoRA:
		return nil, errors.New("use_dora is true; plain LoRA is supported")
	}
	if f.FanInFanOut {
		warnings = append(warnings, "fan_in_fan_out is true; all layers here store [out, in], and PEFT passes it over, too")
	}
	var method string
	if json.Unmarshal(f.Init, &method) == nil {
		method, _, _ := strings.Cut(strings.ToLower(method), "_niter")
		if slices.Contains(changesBase, method) {
			return nil, fmt.Errorf("init_lora_weights is %s, which changes the base model's weights; save the adapter as plain LoRA (path_initial_model_for_weight_conversion)", method)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value := string(all[name])
		switch does, known := refused[name]; {
		case slices.Contains(honoured, name) || slices.Contains(indifferent, name):
		case value == "null" || value == "false" || value == "[]" || value == "{}" || value == `""` || value == "0":
		case known:
			return nil, fmt.Errorf("%s is %s, which means %s; plain LoRA is supported", name, printable.Cut(value, maxShown), does)
		case len(warnings) < maxWarnings:
			warnings = append(warnings, fmt.Sprintf("setting %s is %s, which is not known and passed over", printable.Cut(name, maxShown), printable.Cut(value, maxShown)))
		}
	}
	return warnings, nil
}

// maxWarnings bounds the warnings of one file.
const maxWarnings = 10

// JSON returns the adapter_config.json that PEFT reads.
func (c *Config) JSON() ([]byte, error) {
	task := "CAUSAL_LM"
	f := peftConfig{
		PEFTType: "LORA", TaskType: &task, R: c.R, Alpha: c.Alpha, RSLoRA: c.RSLoRA, Ranks: c.ranks, Alphas: c.alphas,
		Targets: setting{c.Targets, c.pattern}, Exclude: c.exclude, LayerNames: setting{list: c.layerNames}, ModulesSaved: c.saved,
		Tying: c.tying, Bias: "none", Inference: true, Init: json.RawMessage("true"),
	}
	if c.Base != "" {
		f.Base = &c.Base
	}
	if c.layers != nil {
		var err error
		if f.Layers, err = json.Marshal(slices.Sorted(maps.Keys(c.layers))); err != nil {
			return nil, err
		}
	}
	b, err := json.MarshalIndent(f, "", "  ")
	return append(b, '\n'), err
}
