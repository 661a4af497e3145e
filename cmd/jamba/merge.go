package main

import (
	"fmt"

	"jamba/quantize"
)

type mergeCmd struct {
	modelFlag
	threadsFlag
	Adapter string `required:"" placeholder:"DIR" help:"The adapter: a folder as PEFT lays it out."`
	Out     string `short:"o" required:"" placeholder:"OUT" help:"The folder to make."`
}

func (c *mergeCmd) Help() string {
	return `Adds a low-rank adapter (LoRA) to a model's weights: OUT is a folder as Hugging Face lays it out that needs no adapter. W + scale·B·A is computed in float32 and rounded once, to the type that W is stored in; all else is copied. If an adapter of the embedding or the head makes them two matrices where the model has one for both, OUT has both, and its config.json says that they are not tied. OUT is there only when it is complete.

The model has to be a folder: the weights of GGUF files are rounded already. They can be run with --adapter.

Example:
  jamba merge -m MODEL --adapter ADAPTER -o MERGED`
}

func (c *mergeCmd) Run(s *streams) error {
	path, err := c.path()
	if err != nil {
		return err
	}
	if err := c.apply(); err != nil {
		return err
	}
	if err := quantize.Merge(path, c.Adapter, c.Out); err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.err, "jamba: merged into", c.Out)
	return err
}
