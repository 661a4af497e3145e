package loop

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"

	"jamba/train"
	"jamba/train/data"
)

// Settings are all that the losses of a run depend on beside its data and its first weights. The words are those of the
// command's flags.
type Settings struct {
	Steps       int        `json:"steps"`
	Batch       int        `json:"batch"`      // sequences
	Seq         int        `json:"seq"`        // tokens to be predicted in a sequence, at most
	GradAccum   int        `json:"grad_accum"` // batches of a step
	LR          float64    `json:"lr"`
	MinLR       float64    `json:"min_lr"`
	Schedule    train.Kind `json:"schedule"`
	Warmup      int        `json:"warmup"` // steps; below 0: DefaultWarmup
	Betas       [2]float64 `json:"betas"`
	Eps         float64    `json:"eps"`
	WeightDecay float64    `json:"weight_decay"`
	DecayAll    bool       `json:"decay_all"`
	Clip        float64    `json:"clip"`
	AuxCoef     float64    `json:"aux_coef"`
	Seed        uint64     `json:"seed"`
	NoShuffle   bool       `json:"no_shuffle"`
	Val         float64    `json:"val"` // fraction of the documents that is not trained on
}

// Defaults returns settings for pre-training a small model.
func Defaults() Settings {
	a := train.DefaultAdamW()
	return Settings{
		Steps: 1000, Batch: 8, Seq: 512, GradAccum: 1, LR: 1e-3, Schedule: train.Cosine, Warmup: -1,
		Betas: a.Betas, Eps: a.Eps, WeightDecay: a.WeightDecay, Clip: 1, AuxCoef: 0.001,
	}
}

// DefaultWarmup returns how many of the steps are warm-up unless it is said: a tenth, at most 100.
func DefaultWarmup(steps int) int { return min(100, steps/10) }

// Decode sets what a JSON object says; a word that is not known is an error.
func (s *Settings) Decode(object []byte) error {
	var words map[string]json.RawMessage
	if err := json.Unmarshal(object, &words); err != nil {
		return err
	}
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		word := v.Type().Field(i).Tag.Get("json")
		if value, ok := words[word]; ok {
			field := v.Field(i)
			err := json.Unmarshal(value, field.Addr().Interface())
			if field.Kind() == reflect.Array { // JSON takes lists of other lengths, too
				var list []json.RawMessage
				if json.Unmarshal(value, &list) != nil || len(list) != field.Len() {
					err = errors.New("not as many")
				}
			}
			if err != nil {
				return fmt.Errorf("%s: %s is not possible", word, value)
			}
			delete(words, word)
		}
	}
	for word := range words {
		return fmt.Errorf("%s is no word for a training", word)
	}
	return nil
}

// bounds of the settings that something is sized by.
const (
	maxSteps = 1 << 40
	maxRows  = 1 << 24 // of a step
)

// Validate returns an error if a setting is not possible, which begins with its word as a flag.
func (s *Settings) Validate() error {
	for _, n := range []struct {
		word       string
		value, max int
	}{{"steps", s.Steps, maxSteps}, {"batch", s.Batch, maxRows}, {"seq", s.Seq, maxRows}, {"grad-accum", s.GradAccum, maxRows}} {
		if n.value < 1 || n.value > n.max {
			return fmt.Errorf("%s is %d, want 1 to %d", n.word, n.value, n.max)
		}
	}
	if rows := float64(s.Batch) * float64(s.Seq) * float64(s.GradAccum); rows > maxRows {
		return fmt.Errorf("batch %d, seq %d and grad-accum %d are more than %d tokens a step", s.Batch, s.Seq, s.GradAccum, maxRows)
	}
	if !(s.Val >= 0 && s.Val < 1) {
		return fmt.Errorf("val is %v, want a fraction below 1", s.Val)
	}
	t := s.trainer()
	if s.Warmup < 0 {
		t.Schedule.Warmup = DefaultWarmup(s.Steps)
	}
	return t.Validate()
}

// Split divides documents into those to train on and those to validate with. It is an error if one of them is in vain.
func (s *Settings) Split(d *data.Dataset) (training, rest *data.Set, err error) {
	training, rest = d.Split(s.Val)
	switch {
	case s.Val == 0:
	case rest.Examples() == 0:
		err = fmt.Errorf("no document falls into the fraction %v that validates; there are %d: make it larger, name a file, or split the text into documents", s.Val, d.Documents())
	case training.Examples() == 0:
		err = fmt.Errorf("all documents fall into the fraction %v that validates; there are %d: make it smaller, name a file, or split the text into documents", s.Val, d.Documents())
	}
	return training, rest, err
}

// trainer returns the settings of the mathematics.
func (s *Settings) trainer() train.Options {
	return train.Options{
		Schedule: train.Schedule{Kind: s.Schedule, Peak: s.LR, Min: s.MinLR, Warmup: s.Warmup, Steps: s.Steps},
		AdamW:    train.AdamW{Betas: s.Betas, Eps: s.Eps, WeightDecay: s.WeightDecay, DecayAll: s.DecayAll},
		Clip:     s.Clip, AuxCoef: s.AuxCoef,
	}
}

// Same returns an error if a run with settings saved cannot go on with s, which names what differs. Other numbers of steps
// are the same to a constant learning rate.
func (s *Settings) Same(saved *Settings) error {
	var differ []string
	a, b := reflect.ValueOf(*s), reflect.ValueOf(*saved)
	for i := range a.NumField() {
		word := a.Type().Field(i).Tag.Get("json")
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); x != y && !(word == "steps" && s.Schedule == train.Constant) {
			differ = append(differ, fmt.Sprintf("--%s is %v, the run began with %v", strings.ReplaceAll(word, "_", "-"), x, y))
		}
	}
	if differ == nil {
		return nil
	}
	return fmt.Errorf("%s; to train its model in another way, fine-tune it into a new folder", strings.Join(differ, "; "))
}

// EpochSteps returns the steps that go through so many sequences epochs times; more than Validate lets pass, if they are
// too many.
func (s *Settings) EpochSteps(epochs float64, sequences int) int {
	steps := math.Ceil(epochs * float64(sequences) / float64(s.Batch*s.GradAccum))
	return int(min(max(1, steps), maxSteps+1))
}
