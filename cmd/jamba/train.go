package main

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"jamba/model"
	"jamba/text"
	"jamba/text/tokenizer"
	"jamba/train/loop"
	"jamba/train/recipe"
)

type trainCmd struct {
	Config string   `arg:"" help:"A preset, or a file with the model's settings."`
	Data   []string `arg:"" optional:"" help:"Files to train on."`
	trainingFlags

	Tokenizer string `group:"Data" placeholder:"PATH" help:"A folder with a tokenizer.json, or such a file. Default: one is made from the data."`
	VocabSize int    `group:"Data" placeholder:"N" help:"Tokens of the tokenizer that is made. Default: vocab_size of CONFIG."`
	Show      bool   `help:"Print CONFIG as a file and stop."`
}

func (c *trainCmd) Help() string {
	return `Trains a new model. CONFIG is one of the presets ` + strings.Join(recipe.Presets(), ", ") + `, or a YAML file with the words of a config.json; in place of periods and offsets it may list its layers, and a section train may set what the flags below do. Without max_position_embeddings the context is --seq. jamba train PRESET --show prints one to begin with. The vocabulary is the tokenizer's: if none is given, a tokenizer is made from the data.

` + trainingHelp + `

Examples:
  jamba train nano book.txt -o my-model --split blank --val 0.05
  jamba run -m my-model "Once upon a time"
  jamba train model.yaml part-*.jsonl.zst -o my-model --tokenizer tokenizer.json --steps 20000 --batch 16 --lr 6e-4`
}

func (c *trainCmd) Run(s *streams) error {
	if c.Show {
		b, err := recipe.Preset(c.Config)
		if err == nil {
			_, err = s.out.Write(b)
		}
		return err
	}
	if len(c.Data) == 0 {
		return usageError("no data given: name files to train on after CONFIG")
	}
	if c.Tokenizer != "" && c.VocabSize != 0 {
		return usageError("--vocab-size is for a tokenizer that is made; --tokenizer has its own")
	}
	r, err := recipe.Open(c.Config)
	if err != nil {
		return err
	}
	t := training{trainingFlags: &c.trainingFlags, data: c.Data, settings: loop.Defaults(), use: "-m " + c.Out}
	if r.Train != nil {
		if err := t.settings.Decode(r.Train); err != nil {
			return fmt.Errorf("%s: train: %w", c.Config, err)
		}
	}
	vocab := r.Config.VocabSize
	if c.VocabSize != 0 {
		vocab = c.VocabSize
	}
	t.files = func(resumed bool) (smallFiles, error) {
		switch {
		case c.Tokenizer != "":
			return tokenizerFiles(c.Tokenizer)
		case resumed:
			return nil, nil
		}
		return makeTokenizer(s, t.sources(s, c.Data), vocab)
	}
	t.open = func(words *text.Text, resumed string) (trainee, error) {
		config := withTokenizer(r.Config, words.Tokenizer)
		free := !r.Context && config.MaxPositionEmbeddings > 0
		if free { // what it is trained on is what it is made for
			config.MaxPositionEmbeddings = t.settings.Seq
		}
		var m *model.Model
		if resumed == "" {
			m, err = model.New(config, t.settings.Seed, r.InitializerRange)
		} else if m, err = openForTraining(s, resumed); err == nil {
			if free {
				config.MaxPositionEmbeddings = m.Config.MaxPositionEmbeddings
			}
			if !reflect.DeepEqual(m.Config, config) {
				err = fmt.Errorf("cannot resume %s: its model is not that of %s; see %s", resumed, c.Config, filepath.Join(resumed, "config.json"))
			}
		}
		if err != nil {
			return trainee{}, err
		}
		return trainee{model: m, write: func(dir string) error { return loop.WriteNewModel(dir, m, t.settings.Seq) }}, nil
	}
	return t.run(s)
}

// withTokenizer returns c for the tokens of t.
func withTokenizer(c model.Config, t *tokenizer.Tokenizer) model.Config {
	id := func(id int32, ok bool) int {
		if !ok {
			return -1
		}
		return int(id)
	}
	c.VocabSize, c.BOSTokenID, c.PADTokenID, c.EOSTokenIDs = t.VocabSize(), id(t.BOS()), id(t.PAD()), nil
	if eos, ok := t.EOS(); ok {
		c.EOSTokenIDs = append(c.EOSTokenIDs, eos)
	}
	// An answer ends with its message, as in Jamba's own files.
	if end, ok := t.ID(tokenizer.ChatMarkers[0]); ok {
		c.EOSTokenIDs = append(c.EOSTokenIDs, end)
	}
	return c
}
