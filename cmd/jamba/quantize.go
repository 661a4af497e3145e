package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"jamba/checkpoint"
	"jamba/format/gguf"
	"jamba/quantize"
	"jamba/quantize/recipe"
)

type quantizeCmd struct {
	threadsFlag
	In      string     `arg:"" name:"in" placeholder:"IN" help:"A model folder or .gguf file."`
	Out     string     `short:"o" required:"" placeholder:"OUT" help:"The GGUF file to write."`
	Type    recipeFlag `placeholder:"TYPE" help:"${types}. With --layout native may be left out for a .gguf file, whose types are then kept."`
	Layout  string     `enum:"gguf,native" default:"gguf" help:"gguf: for all programs. native: for this one on this kind of processor, opened without repacking."`
	Force   bool       `help:"Replace OUT if it exists."`
	Verbose bool       `short:"v" help:"Print what became of each tensor, not only a summary."`
}

func (c *quantizeCmd) Help() string {
	return `The result is a standard GGUF file, which llama.cpp opens, too. Which tensors get which type is as with its llama-quantize: q4_k_m and q5_k_m keep the output and about half of the values and of the down projections in Q6_K, q3_k_m, q3_k_l and q2_k give these and attention's output one or two bits more; rows that are no whole blocks fall back to smaller blocks or F16. Norms, convolutions, A, D, biases and routers are never rounded. The report lists all that is not simply rounded.

Of a folder, the tokenizer, the chat template and the sampling defaults of generation_config.json are written, too; what GGUF cannot say of a tokenizer is told as a warning.

Weights that are quantized already can be rounded again, which the report says; each time costs quality.

With --layout native, OUT holds the matrices as this processor's kernels read them: run, bench and the others use it in place, without repacking at the start. It is for computing only; nothing else reads it, and it can be quantized no further. It carries the SHA-256 of the files it was made from.

Examples:
  jamba quantize Jamba-v0.1/ -o jamba-Q4_K_M.gguf --type q4_k_m
  jamba quantize model-BF16.gguf -o model-Q8_0.gguf --type q8_0 --verbose
  jamba quantize model-Q8_0.gguf -o model-Q8_0.native --layout native`
}

// recipeFlag is a recipe that a file can be written in.
type recipeFlag recipe.Recipe

// UnmarshalText reads the recipe's name.
func (f *recipeFlag) UnmarshalText(b []byte) error {
	r, err := recipe.ParseRecipe(string(b), recipe.NativeRecipes())
	*f = recipeFlag(r)
	return err
}

func (c *quantizeCmd) Run(s *streams) error {
	if err := c.apply(); err != nil {
		return err
	}
	native := c.Layout == "native"
	if c.Type == "" && !native {
		return usageError("missing flags: --type=TYPE")
	}
	info, err := os.Stat(c.In)
	switch {
	case gguf.Embedded(c.In):
		info = nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: no such file or folder", c.In)
	case err != nil:
		return err
	}
	if err := c.checkOut(info); err != nil {
		return err
	}
	in, err := checkpoint.Open(c.In)
	if err != nil {
		return err
	}
	defer in.Close()
	var meta gguf.Metadata
	var ends []int32
	if in.File() == nil {
		if meta, ends, err = c.text(s, in); err != nil {
			return err
		}
	}
	ctx, stop := untilInterrupted()
	defer stop()
	start := time.Now()
	draw := bar(s.err, "quantizing", progressbar.OptionShowBytes(true))
	report, err := quantize.Write(ctx, in, c.Out, quantize.ExportOptions{Recipe: recipe.Recipe(c.Type), Native: native, Text: meta, Ends: ends, Progress: draw, Warn: func(c *checkpoint.Checkpoint) { warnModel(s.err, c) }})
	if err != nil {
		return err
	}
	if c.Verbose {
		printEach(s.out, report)
	}
	title := fmt.Sprintf("%s as %s", c.Out, cmp.Or(string(c.Type), "it was"))
	if native {
		title += ", layout native"
	}
	printSummary(s.out, title, report)
	if !native {
		warnLarger(s.err, report)
	}
	if isTerminal(s.err) {
		fmt.Fprintf(s.err, "jamba: %.1f s\n", time.Since(start).Seconds())
	}
	return nil
}

// checkOut refuses what must not be written to, before there is work done. in is nil if what is read is no file.
func (c *quantizeCmd) checkOut(in fs.FileInfo) error {
	if dir := filepath.Dir(c.Out); dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return fmt.Errorf("%s: there is no folder %s", c.Out, dir)
		}
	}
	info, err := os.Stat(c.Out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder; give the name of a file with -o", c.Out)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", c.Out)
	case in != nil && os.SameFile(in, info):
		return fmt.Errorf("%s is the file to be read; give another name with -o", c.Out)
	case !c.Force:
		return fmt.Errorf("%s exists; --force replaces it", c.Out)
	}
	return nil
}

// text returns the folder's tokenizer, chat templates and generation settings as metadata, and what ends an answer.
func (c *quantizeCmd) text(s *streams, in *checkpoint.Checkpoint) (gguf.Metadata, []int32, error) {
	for _, l := range in.Config.Layers {
		if l.Attention != nil && l.Attention.SlidingWindow > 0 {
			warn(s.err, fmt.Sprintf("llama.cpp has no sliding window for this architecture: beyond %d tokens it computes something else", l.Attention.SlidingWindow))
			break
		}
	}
	meta, ends, lost, err := quantize.Text(in)
	warn(s.err, lost...)
	if errors.Is(err, fs.ErrNotExist) {
		warn(s.err, strings.TrimSuffix(c.In, "/")+" has no tokenizer, and so will the file have none")
		err = nil
	}
	return meta, ends, err
}
