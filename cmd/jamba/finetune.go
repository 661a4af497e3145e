package main

import (
	"errors"
	"fmt"

	"jamba/text"
	"jamba/train/loop"
)

type finetuneCmd struct {
	modelFlag
	Data []string `arg:"" help:"Files to train on."`
	loraFlags
	trainingFlags
}

func (c *finetuneCmd) Help() string {
	return `Trains all weights of an existing model, a folder in Hugging Face layout, on further data: plain texts, or conversations, of which only what the assistant says is trained. By default it goes through the data once, through little data so often that there are 50 steps, without weight decay and with a learning rate that falls from 2e-5, in a model of hidden size H below 2048 from 2048/H times that. The model in -m stays as it is.

With --lora the model's own weights are frozen and a low-rank adapter is trained beside them; the model may be a GGUF file, too, quantized or not. Gradients, AdamW's moments and checkpoints are those of the adapter alone, and the learning rate is ten times as large. A table says beforehand which layers are adapted. What is made is an adapter as PEFT lays it out, to be run with --adapter or merged.

Data that are input_ids alone need no tokenizer. The loss that spreads tokens over experts has the weight that the model's config.json says (router_aux_loss_coef), else, and beside a GGUF file, 0.001, which is Jamba's and Mixtral's default.

` + trainingHelp + `

Examples:
  jamba finetune -m MODEL talks.jsonl -o my-model --epochs 3 --lr 1e-5 --val 0.05
  jamba run -m my-model
  jamba finetune -m MODEL talks.jsonl -o my-adapter --lora --lora-targets attention,mamba
  jamba run -m MODEL --adapter my-adapter
  jamba finetune -m model-q4_k_m.gguf talks.jsonl -o my-adapter --lora --lora-targets all,embed,head`
}

func (c *finetuneCmd) Run(s *streams) error {
	path, err := c.path()
	if err != nil {
		return err
	}
	t := training{trainingFlags: &c.trainingFlags, data: c.Data, settings: loop.Defaults(), epochs: 1, little: true, use: "-m " + c.Out}
	t.settings.WeightDecay = 0
	config, err := c.config(path)
	if err != nil {
		return err
	}
	b, err := openBase(path, c.LoRA)
	if err != nil {
		return err
	}
	t.vocab, t.settings.LR = b.vocab, b.rate(2e-5)
	if c.AuxCoef == nil {
		if t.settings.AuxCoef, err = b.auxCoef(t.settings.AuxCoef); err != nil {
			return err
		}
	}
	if c.LoRA {
		t.settings.LR, t.use = b.rate(2e-4), fmt.Sprintf("-m %s --adapter %s", path, c.Out)
	}
	t.files = func(bool) (smallFiles, error) { return b.files() }
	t.open = func(_ *text.Text, resumed string) (trainee, error) {
		switch is, err := isAdapter(resumed); {
		case err != nil:
			return trainee{}, err
		case resumed != "" && is != c.LoRA:
			return trainee{}, fmt.Errorf("cannot resume %s: --lora has to be as it was", resumed)
		case c.LoRA:
			return openAdapter(s, config, resumed, t.settings.Seed)
		case resumed != "":
			path = resumed
		}
		m, err := openForTraining(s, path)
		return trainee{model: m, write: func(dir string) error { return errors.Join(loop.WriteModel(dir, m), b.keepAuxCoef(dir)) }}, err
	}
	return t.run(s)
}
