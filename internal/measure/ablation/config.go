// Package ablation trains small models that differ in their schedule alone, on the same data for the same steps, and tells what
// each has learned: the papers' small ablations, as an experiment that can be repeated.
package ablation

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"jamba/internal/bounded"
	"jamba/model"
	"jamba/model/param"
	"jamba/train"
	"jamba/train/recipe"
)

// Experiment is what a file describes: models, what they are trained on and how.
type Experiment struct {
	Title  string
	Task   Task
	Seeds  []uint64 // of weights and of batches
	Steps  int
	Batch  int // sequences of a step
	Rate   float64
	Warmup int    // steps
	Init   string // of the weights: InitProjections or InitAll
	Models []Model
	Source []byte // the file
}

// Model is one of those that are compared.
type Model struct {
	Name   string
	Config model.Config
}

// file is the experiment as it is written.
type file struct {
	Title  string         `yaml:"title"`
	Recall *Recall        `yaml:"recall"`
	Copy   *Copy          `yaml:"copy"`
	Text   *Text          `yaml:"text"`
	Seeds  []uint64       `yaml:"seeds"`
	Steps  int            `yaml:"steps"`
	Batch  int            `yaml:"batch"`
	LR     float64        `yaml:"lr"`
	Warmup int            `yaml:"warmup"`
	Init   string         `yaml:"init"`
	Common map[string]any `yaml:"common"` // words of all models
	Models []struct {
		Name  string         `yaml:"name"`
		Words map[string]any `yaml:",inline"` // as in a file of jamba train
	} `yaml:"models"`
}

// maxParams bounds a model: an experiment is to take minutes.
const maxParams = 3_000_000

// Open reads an experiment.
func Open(path string) (*Experiment, error) {
	b, err := bounded.ReadFile(path, 1<<20)
	if err != nil {
		return nil, err
	}
	e, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if t, ok := e.Task.(*Text); ok {
		if err := t.read(filepath.Dir(path)); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return e, nil
}

func parse(b []byte) (*Experiment, error) {
	var f file
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	e := &Experiment{Title: f.Title, Seeds: f.Seeds, Steps: f.Steps, Batch: f.Batch, Rate: f.LR, Warmup: f.Warmup, Init: cmp.Or(f.Init, InitProjections), Source: b}
	tasks := 0
	if f.Recall != nil {
		e.Task, tasks = f.Recall, tasks+1
	}
	if f.Copy != nil {
		e.Task, tasks = f.Copy, tasks+1
	}
	if f.Text != nil {
		e.Task, tasks = f.Text, tasks+1
	}
	if tasks != 1 {
		return nil, fmt.Errorf("has %d tasks, want one of recall, copy and text", tasks)
	}
	if err := e.Task.validate(); err != nil {
		return nil, err
	}
	switch {
	case len(f.Models) == 0:
		return nil, errors.New("models: there are none")
	case e.Init != InitProjections && e.Init != InitAll:
		return nil, fmt.Errorf("init is %.20q, want %s or %s", e.Init, InitProjections, InitAll)
	case len(f.Seeds) == 0:
		return nil, errors.New("seeds: there are none")
	case f.Steps < 1 || f.Steps > 1<<20 || f.Batch < 1 || f.Batch > 1<<10:
		return nil, fmt.Errorf("steps are %d and batch is %d, want 1 to %d and 1 to %d", f.Steps, f.Batch, 1<<20, 1<<10)
	}
	if err := e.options(e.Steps).Validate(); err != nil {
		return nil, err
	}
	for _, m := range f.Models {
		words := maps.Clone(f.Common)
		if words == nil {
			words = map[string]any{}
		}
		maps.Copy(words, m.Words)
		for _, word := range []string{"initializer_range", "train"} {
			if words[word] != nil {
				return nil, fmt.Errorf("model %s: %s is no word of an experiment, which sets it alike for all models: see init, steps, batch, lr and warmup", m.Name, word)
			}
		}
		maps.DeleteFunc(words, func(_ string, v any) bool { return v == nil }) // null takes a word of all back
		words["vocab_size"] = e.Task.vocab()
		text, err := yaml.Marshal(words)
		if err != nil {
			return nil, err
		}
		r, err := recipe.Parse(text, false)
		if err != nil {
			return nil, fmt.Errorf("model %s: %w", m.Name, err)
		}
		if n, err := params(&r.Config); err != nil || n > maxParams {
			return nil, errors.Join(err, fmt.Errorf("model %s has %d parameters, want %d at most", m.Name, n, maxParams))
		}
		e.Models = append(e.Models, Model{m.Name, r.Config})
	}
	return e, nil
}

func params(c *model.Config) (int64, error) {
	sizes, err := c.Survey(func(param.ID, param.Tensor, []int) (int64, error) { return 0, nil })
	return sizes.Total().Params, err
}

// options are those of a training of so many steps: the learning rate falls along a cosine to a tenth.
func (e *Experiment) options(steps int) *train.Options {
	return &train.Options{
		Schedule: train.Schedule{Kind: train.Cosine, Peak: e.Rate, Min: e.Rate / 10, Warmup: e.Warmup, Steps: steps},
		AdamW:    train.DefaultAdamW(), Clip: 1, AuxCoef: 0.01,
	}
}
