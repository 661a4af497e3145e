package jamba

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"jamba/format/bounded"
	"jamba/internal/printable"
	"jamba/model"
)

// generationConfig is what generation_config.json says of answers.
type generationConfig struct {
	DoSample          *bool          `json:"do_sample"`
	Temperature       *float64       `json:"temperature"`
	TopK              *int           `json:"top_k"`
	StopStrings       stringList     `json:"stop_strings"`
	TopP              float64        `json:"top_p"`
	MinP              float64        `json:"min_p"`
	RepetitionPenalty float64        `json:"repetition_penalty"`
	MaxNewTokens      int            `json:"max_new_tokens"`
	EOSTokenID        model.TokenIDs `json:"eos_token_id"`

	warnings []string
}

// stringList is one string or a list of them in JSON.
type stringList []string

// UnmarshalJSON reads a string, a list of strings or null.
func (l *stringList) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '"' {
		return json.Unmarshal(b, (*[]string)(l))
	}
	var one string
	if err := json.Unmarshal(b, &one); err != nil || one == "" {
		return err
	}
	*l = stringList{one}
	return nil
}

// options returns the options that the settings ask for. As the reference does, it takes the most likely tokens unless
// do_sample is true, and then the 50 most likely ones unless top_k says otherwise. The reference's max_length of 20 is
// left out. Values may be out of range: a caller may replace them, and what is left is checked when there is an answer.
func (c *generationConfig) options() Options {
	o := Options{MaxTokens: max(0, c.MaxNewTokens), Stop: c.StopStrings}
	o.RepetitionPenalty = c.RepetitionPenalty
	if !c.samples() {
		return o
	}
	o.Temperature, o.TopK, o.TopP, o.MinP = 1, 50, c.TopP, c.MinP
	if c.Temperature != nil {
		o.Temperature = *c.Temperature
	}
	if c.TopK != nil {
		o.TopK = max(0, *c.TopK) // -1 is vLLM's and llama.cpp's word for all
	}
	return o
}

func (c *generationConfig) samples() bool { return c.DoSample != nil && *c.DoSample }

const generationFile = "generation_config.json"

// readGeneration reads the folder's generation_config.json. If there is none, nothing is set.
func readGeneration(dir string) (c generationConfig, err error) {
	file := filepath.Join(dir, generationFile)
	b, err := bounded.ReadFile(file, 1<<20)
	if errors.Is(err, os.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		b = bytes.TrimPrefix(b, []byte("\ufeff"))
		err = json.Unmarshal(b, &c)
	}
	if err == nil {
		c.warnings, err = unheeded(b)
	}
	if err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// neutral are settings of the reference's generation that would make other answers and are not supported, with the
// values, beside null, that change nothing.
var neutral = map[string][]string{
	"num_beams": {"1"}, "num_beam_groups": {"1"}, "diversity_penalty": {"0"}, "penalty_alpha": {"0"}, "dola_layers": {},
	"typical_p": {"1"}, "epsilon_cutoff": {"0"}, "eta_cutoff": {"0"}, "top_h": {}, "guidance_scale": {"1"},
	"encoder_repetition_penalty": {"1"}, "no_repeat_ngram_size": {"0"}, "encoder_no_repeat_ngram_size": {"0"},
	"bad_words_ids": {"[]"}, "force_words_ids": {"[]"}, "constraints": {"[]"}, "sequence_bias": {"[]", "{}"},
	"forced_bos_token_id": {}, "forced_eos_token_id": {}, "suppress_tokens": {"[]"}, "begin_suppress_tokens": {"[]"},
	"min_length": {"0"}, "min_new_tokens": {"0"}, "max_time": {}, "exponential_decay_length_penalty": {}, "watermarking_config": {},
}

// unheeded names the settings that ask for what is not supported.
func unheeded(b []byte) (warnings []string, err error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		values, known := neutral[key]
		var v any
		if !known || json.Unmarshal(all[key], &v) != nil || v == nil {
			continue
		}
		var s bytes.Buffer
		if err := json.Compact(&s, all[key]); err != nil || slices.Contains(values, s.String()) {
			continue
		}
		if number, ok := v.(float64); ok && slices.Contains(values, fmt.Sprint(number)) {
			continue // 1.0
		}
		warnings = append(warnings, fmt.Sprintf("%s: %s %s is not supported: answers are made without it", generationFile, key, printable.Cut(s.String(), 40)))
	}
	return warnings, nil
}
