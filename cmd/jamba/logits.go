package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"jamba/internal/npy"
	"jamba/model"
	"jamba/model/state"
	"jamba/tensor"
)

type logitsCmd struct {
	modelFlag
	threadsFlag
	openFlags
	Tokens    string          `required:"" placeholder:"IDS" help:"Token ids: 1,2,3 or a JSON array; - reads them from standard input."`
	SplitAt   []int           `placeholder:"LAYER,..." help:"Compute through stages that begin at these layers, each a model with its own tensors alone, as a pipeline over machines does."`
	Chunk     int             `default:"0" placeholder:"N" help:"Compute N tokens at a time on a growing state; 0: all at once; 1: step by step."`
	Precision model.Precision `default:"exact" placeholder:"P" help:"exact: float32. fast: as run computes."`
	Format    string          `enum:"npy,json" default:"npy" help:"npy (NumPy) or json."`
	Output    string          `short:"o" placeholder:"FILE" help:"Write to FILE instead of standard output."`
}

func (c *logitsCmd) Help() string {
	return `The result is float32, one row of the vocabulary's size for each token. No token is put in front of those given. Whatever the chunk and the stages, the numbers are the same.

Example:
  jamba logits -m MODEL --tokens 1,2,3 -o out.npy && python3 -c 'import numpy; print(numpy.load("out.npy").shape)'`
}

func (c *logitsCmd) Run(s *streams) error {
	path := c.orEmbedded()
	if err := c.apply(); err != nil {
		return err
	}
	if c.Chunk < 0 {
		return usageError(fmt.Sprintf("--chunk is %d, want 0 or more", c.Chunk))
	}
	list, err := argument(&c.Tokens, s)
	if err != nil {
		return err
	}
	ids, err := parseIDs(list)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return usageError("--tokens is empty")
	}
	if c.Output == "" && c.Format == "npy" && isTerminal(s.out) {
		return usageError("not writing binary data to a terminal; use -o FILE or --format json")
	}
	if info, err := os.Stat(c.Output); c.Output != "" && err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder; give a file with -o", c.Output)
	}
	stages, err := c.open(path, s.err)
	defer stages.close()
	if err != nil {
		return err
	}
	c.tell(s.err, stages.models()...)
	ctx, stop := untilInterrupted()
	defer stop()
	if c.Output == "" {
		return c.write(ctx, s.out, stages, ids)
	}
	return writeFile(c.Output, 0o666, func(w io.Writer) error { return c.write(ctx, w, stages, ids) })
}

// mostAtOnce is how many tokens are computed at once at most: more would only take more memory, as the numbers are the
// same.
const mostAtOnce = 512

func (c *logitsCmd) write(ctx context.Context, w io.Writer, stages pipeline, ids []int32) error {
	if err := state.Fits(stages.specs(), 0, len(ids)); err != nil {
		return err
	}
	chunk := c.Chunk
	if chunk == 0 || chunk > mostAtOnce {
		chunk = mostAtOnce
	}
	b, vocab := bufio.NewWriterSize(w, 1<<20), stages[0].Config.VocabSize
	if c.Format == "npy" {
		b.Write(npy.Header(len(ids), vocab))
	} else {
		b.WriteString("[")
	}
	for i := 0; i < len(ids); i += chunk {
		logits, err := stages.logits(ctx, ids[i:min(i+chunk, len(ids))])
		if err != nil {
			return err
		}
		if c.Format == "npy" {
			b.Write(tensor.Bytes(logits)) // little-endian, as all machines that Go and this project meet
			continue
		}
		for j := 0; j < len(logits); j += vocab {
			if i+j > 0 {
				b.WriteString(",\n")
			}
			row, err := json.Marshal(logits[j : j+vocab])
			if err != nil {
				return err
			}
			b.Write(row)
		}
	}
	if c.Format == "json" {
		b.WriteString("]\n")
	}
	return b.Flush()
}
