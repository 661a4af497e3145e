package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"jamba/model"
	"jamba/text"
	"jamba/train/loop"
)

type finetuneCmd struct {
	modelFlag
	Data []string `arg:"" help:"Files to train on."`
	trainingFlags
}

func (c *finetuneCmd) Help() string {
	return `Trains all weights of an existing model, a folder in Hugging Face layout, on further data: plain texts, or conversations, of which only what the assistant says is trained. By default it goes through the data once, with a learning rate that falls from 2e-5 and no weight decay. The model in -m stays as it is.

` + trainingHelp + `

Examples:
  jamba finetune -m MODEL talks.jsonl -o my-model --epochs 3 --lr 1e-5 --val 0.05
  jamba run -m my-model`
}

func (c *finetuneCmd) Run(s *streams) error {
	path, err := c.path()
	if err != nil {
		return err
	}
	t := training{trainingFlags: &c.trainingFlags, data: c.Data, settings: loop.Defaults(), epochs: 1}
	t.settings.LR, t.settings.WeightDecay = 2e-5, 0
	t.files = func(bool) (smallFiles, error) { return finetuneFiles(path) }
	t.open = func(_ *text.Text, checkpoint string) (trainee, error) { return c.open(path, checkpoint) }
	return t.run(s)
}

// open returns what is trained: all weights of the model at path, or of a checkpoint. Ways to train a part of them belong
// here.
func (c *finetuneCmd) open(path, checkpoint string) (trainee, error) {
	if checkpoint != "" {
		path = checkpoint
	}
	m, err := model.OpenForTraining(path)
	return trainee{model: m, write: func(dir string) error { return loop.WriteModel(dir, m) }}, err
}

// finetuneFiles returns the files that a fine-tuned model has from the one it is made of.
func finetuneFiles(path string) (smallFiles, error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return nil, errors.New(path + ": only models in folders with config.json, model.safetensors and tokenizer.json can be trained")
	}
	files, err := tokenizerFiles(path)
	if err != nil {
		return nil, err
	}
	const generation = "generation_config.json"
	if err := files.read(generation, filepath.Join(path, generation)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return files, nil
}
