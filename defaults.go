package jamba

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"jamba/format/bounded"
	"jamba/model"
)

// generationConfig is what generation_config.json says of sampling.
type generationConfig struct {
	DoSample          bool           `json:"do_sample"`
	Temperature       *float64       `json:"temperature"`
	TopK              *int           `json:"top_k"`
	StopStrings       stringList     `json:"stop_strings"`
	TopP              float64        `json:"top_p"`
	MinP              float64        `json:"min_p"`
	RepetitionPenalty float64        `json:"repetition_penalty"`
	MaxNewTokens      int            `json:"max_new_tokens"`
	EOSTokenID        model.TokenIDs `json:"eos_token_id"`
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

// readDefaults sets what answers end with and how they are sampled, from a folder's generation_config.json or a GGUF file's
// metadata, where there are such. As the reference does, it takes the most likely tokens unless do_sample is true, and then
// the 50 most likely ones unless top_k says otherwise. The reference's max_length of 20 is left out.
func (m *Model) readDefaults(path string) error {
	m.stops = slices.Clone(m.network.Config.EOSTokenIDs)
	from := path
	var c generationConfig
	var err error
	if meta := m.network.Metadata(); meta != nil {
		c, err = samplingOf(meta)
	} else {
		from = filepath.Join(path, generationFile)
		c, err = readGeneration(path)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	if c.EOSTokenID != nil {
		m.stops = c.EOSTokenID
	}
	// A chat's turn may end with a token that only the tokenizer names.
	if id, ok := m.text.Tokenizer.EOS(); ok && !slices.Contains(m.stops, id) {
		m.stops = append(m.stops, id)
	}
	m.defaults = Options{Sampling: c.sampling(), MaxTokens: max(0, c.MaxNewTokens), Stop: c.StopStrings}
	if err := m.defaults.Validate(); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	return nil
}

// sampling returns how tokens are picked.
func (c *generationConfig) sampling() (s Sampling) {
	s.RepetitionPenalty = c.RepetitionPenalty
	if !c.DoSample {
		return s
	}
	s.Temperature, s.TopK, s.TopP, s.MinP = 1, 50, c.TopP, c.MinP
	if c.Temperature != nil {
		s.Temperature = *c.Temperature
	}
	if c.TopK != nil {
		s.TopK = *c.TopK
	}
	return s
}

const generationFile = "generation_config.json"

// readGeneration reads the folder's generation_config.json. If there is none, nothing is set.
func readGeneration(dir string) (c generationConfig, err error) {
	b, err := bounded.ReadFile(filepath.Join(dir, generationFile), 1<<20)
	if errors.Is(err, os.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	return c, err
}
