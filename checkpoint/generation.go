package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"

	"jamba/internal/bounded"
	"jamba/internal/printable"
)

// Generation is what a checkpoint says of answers: in generation_config.json, or in the metadata of a GGUF file. Values may be
// out of range.
type Generation struct {
	DoSample          *bool
	Temperature       *float64
	TopK              *int
	StopStrings       StringList
	TopP              float64
	MinP              float64
	RepetitionPenalty float64
	MaxNewTokens      int
	EOSTokenID        TokenIDs

	Warnings []string // what is not heeded; they may quote the file
}

// StringList is one string or a list of them in JSON.
type StringList []string

// UnmarshalJSON reads a string, a list of strings or null.
func (l *StringList) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '"' {
		return json.Unmarshal(b, (*[]string)(l))
	}
	var one string
	if err := json.Unmarshal(b, &one); err != nil || one == "" {
		return err
	}
	*l = StringList{one}
	return nil
}

// Samples reports whether answers are to be sampled; the reference takes the most likely tokens unless the settings ask for it.
func (g *Generation) Samples() bool { return g.DoSample != nil && *g.DoSample }

// SampleTemperature returns the temperature of answers that are sampled: 1 unless the settings have another.
func (g *Generation) SampleTemperature() float64 {
	if g.Temperature != nil {
		return *g.Temperature
	}
	return 1
}

// SampleTopK returns how many of the most likely tokens are sampled from: 50, as in the reference, unless the settings have
// another number; 0 is all.
func (g *Generation) SampleTopK() int {
	if g.TopK != nil {
		return max(0, *g.TopK) // -1 is vLLM's and llama.cpp's word for all
	}
	return 50
}

const generationFile = "generation_config.json"

// readGeneration reads the folder's generation_config.json. If there is none, nothing is set.
func readGeneration(dir string) (g Generation, err error) {
	file := filepath.Join(dir, generationFile)
	b, err := bounded.ReadText(file, 1<<20)
	if errors.Is(err, os.ErrNotExist) {
		return g, nil
	}
	if err != nil {
		return g, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		if json.Valid(b) {
			err = errors.New("want a JSON object")
		}
		return g, fmt.Errorf("%s: %w", file, err)
	}
	if err := g.set(all); err != nil {
		return g, fmt.Errorf("%s: %w", file, err)
	}
	g.Warnings = append(g.Warnings, unheeded(all)...)
	return g, nil
}

// set reads the settings. One of another type than it should have is passed over with a warning, since a caller can set it
// again; of what ends an answer it is an error.
func (g *Generation) set(all map[string]json.RawMessage) error {
	for _, s := range []struct {
		key, want string
		value     any
	}{
		{"do_sample", "true or false", &g.DoSample},
		{"temperature", "a number", &g.Temperature},
		{"top_k", "a whole number", &g.TopK},
		{"top_p", "a number", &g.TopP},
		{"min_p", "a number", &g.MinP},
		{"repetition_penalty", "a number", &g.RepetitionPenalty},
		{"max_new_tokens", "a whole number", &g.MaxNewTokens},
		{"stop_strings", "a text or a list of texts", &g.StopStrings},
		{"eos_token_id", "a token id or a list of them", &g.EOSTokenID},
	} {
		raw, ok := all[s.key]
		if !ok {
			continue
		}
		if s.key != "stop_strings" {
			raw = wholeNumbers(raw)
		}
		switch err := json.Unmarshal(raw, s.value); {
		case err == nil:
		case s.key == "eos_token_id":
			return fmt.Errorf("%s is %s, want %s", s.key, printable.Cut(string(raw), 60), s.want)
		default:
			reflect.ValueOf(s.value).Elem().SetZero() // less what was read of it
			g.Warnings = append(g.Warnings, fmt.Sprintf("%s: %s %s is passed over, want %s", generationFile, s.key, printable.Cut(string(raw), 60), s.want))
		}
	}
	return nil
}

// wholeNumbers writes a number such as 50.0 or 1e2, or those of a list, as integers if they are some.
func wholeNumbers(raw json.RawMessage) json.RawMessage {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || list == nil {
		return wholeNumber(raw)
	}
	for i := range list {
		list[i] = wholeNumber(list[i])
	}
	b, _ := json.Marshal(list) // each is JSON
	return b
}

func wholeNumber(raw json.RawMessage) json.RawMessage {
	var v *float64
	if json.Unmarshal(raw, &v) != nil || v == nil || *v != math.Trunc(*v) || math.Abs(*v) > 1<<53 {
		return raw
	}
	return strconv.AppendInt(nil, int64(*v), 10)
}

// neutralGeneration are settings of the reference's generation that would make other answers and are not supported, with the
// values, beside null, that change nothing.
var neutralGeneration = map[string][]string{
	"num_beams": {"1"}, "num_beam_groups": {"1"}, "diversity_penalty": {"0"}, "penalty_alpha": {"0"}, "dola_layers": {},
	"typical_p": {"1"}, "epsilon_cutoff": {"0"}, "eta_cutoff": {"0"}, "top_h": {}, "guidance_scale": {"1"},
	"encoder_repetition_penalty": {"1"}, "no_repeat_ngram_size": {"0"}, "encoder_no_repeat_ngram_size": {"0"},
	"bad_words_ids": {"[]"}, "force_words_ids": {"[]"}, "constraints": {"[]"}, "sequence_bias": {"[]", "{}"},
	"forced_bos_token_id": {}, "forced_eos_token_id": {}, "suppress_tokens": {"[]"}, "begin_suppress_tokens": {"[]"},
	"min_length": {"0"}, "min_new_tokens": {"0"}, "max_time": {}, "exponential_decay_length_penalty": {}, "watermarking_config": {},
}

// unheeded names the settings that ask for what is not supported.
func unheeded(all map[string]json.RawMessage) (warnings []string) {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		values, known := neutralGeneration[key]
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
	return warnings
}
