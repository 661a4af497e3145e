package lora

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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
	Targets      json.RawMessage `json:"target_modules"` // a list, or a string
	Ranks        patterns        `json:"rank_pattern"`
	Alphas       patterns        `json:"alpha_pattern"`
	Bias         string          `json:"bias"`
	FanInFanOut  bool            `json:"fan_in_fan_out"`
	ModulesSaved []string        `json:"modules_to_save"`
	DoRA         bool            `json:"use_dora"`
	Inference    bool            `json:"inference_mode"`
	Init         json.RawMessage `json:"init_lora_weights"`
}

// honoured are the settings of peftConfig.
var honoured = []string{
	"peft_type", "task_type", "base_model_name_or_path", "r", "lora_alpha", "lora_dropout", "use_rslora", "target_modules", "rank_pattern",
	"alpha_pattern", "bias", "fan_in_fan_out", "modules_to_save", "use_dora", "inference_mode", "init_lora_weights",
}

// indifferent are settings of PEFT that do not change what a trained adapter computes: how it was trained, or which
// modules it has, which its tensors tell.
var indifferent = []string{
	"auto_mapping", "peft_version", "revision", "exclude_modules", "layers_to_transform", "layers_pattern",
	"loftq_config", "eva_config", "corda_config", "lora_ga_config", "velora_config", "megatron_core", "qalora_group_size", "runtime_config",
	"ensure_weight_tying",
}

// parse reads an adapter_config.json. A setting that cannot be honoured is an error.
func parse(b []byte) (Config, error) {
	f := peftConfig{R: 8, Alpha: 8, Bias: "none"} // PEFT's defaults
	var all map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(b, &f), json.Unmarshal(b, &all)); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return Config{}, fmt.Errorf("%s is a JSON %s", cmp.Or(wrong.Field, "the file"), wrong.Value)
		}
		return Config{}, err
	}
	if f.PEFTType != "LORA" {
		return Config{}, fmt.Errorf("peft_type is %q; LORA is supported", f.PEFTType)
	}
	if err := f.check(all); err != nil {
		return Config{}, err
	}
	c := Config{R: f.R, Alpha: f.Alpha, RSLoRA: f.RSLoRA, ranks: f.Ranks, alphas: f.Alphas}
	if f.Base != nil {
		c.Base = *f.Base
	}
	if json.Unmarshal(f.Targets, &c.Targets) == nil && len(c.Targets) > 0 {
		return c, nil
	}
	if json.Unmarshal(f.Targets, &c.pattern) == nil && c.pattern != "" {
		return c, nil
	}
	return Config{}, errors.New("target_modules is neither a list of names nor a string")
}

// check finds settings that cannot be honoured.
func (f *peftConfig) check(all map[string]json.RawMessage) error {
	switch {
	case f.Bias != "none":
		return fmt.Errorf("bias is %q; none is supported", f.Bias)
	case f.FanInFanOut:
		return errors.New("fan_in_fan_out is true; all layers here store [out, in]")
	case len(f.ModulesSaved) > 0:
		return fmt.Errorf("modules_to_save has %s; whole modules beside the adapter are not supported", strings.Join(f.ModulesSaved, ", "))
	case f.DoRA:
		return errors.New("use_dora is true; plain LoRA is supported")
	}
	var method string
	if json.Unmarshal(f.Init, &method) == nil {
		method, _, _ := strings.Cut(strings.ToLower(method), "_niter")
		if slices.Contains([]string{"pissa", "olora", "corda", "loftq", "lora_ga"}, method) {
			return fmt.Errorf("init_lora_weights is %s, which changes the base model's weights; save the adapter as plain LoRA (path_initial_model_for_weight_conversion)", method)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch value := string(all[name]); {
		case slices.Contains(honoured, name) || slices.Contains(indifferent, name):
		case value == "null" || value == "false" || value == "[]" || value == "{}" || value == `""` || value == "0":
		default:
			return fmt.Errorf("setting %s is %s, which is not supported", name, value)
		}
	}
	return nil
}

// JSON returns the adapter_config.json that PEFT reads.
func (c *Config) JSON() ([]byte, error) {
	task := "CAUSAL_LM"
	f := peftConfig{
		PEFTType: "LORA", TaskType: &task, R: c.R, Alpha: c.Alpha, RSLoRA: c.RSLoRA, Ranks: c.ranks, Alphas: c.alphas,
		Bias: "none", Inference: true, Init: json.RawMessage("true"),
	}
	if c.Base != "" {
		f.Base = &c.Base
	}
	var err error
	if c.pattern != "" {
		f.Targets, err = json.Marshal(c.pattern)
	} else {
		f.Targets, err = json.Marshal(c.Targets)
	}
	if err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(f, "", "  ")
	return append(b, '\n'), err
}
