package main

import (
	"fmt"
	"io"

	"jamba/internal/measure/compare"
	"jamba/internal/measure/eval"
	"jamba/model"
	"jamba/text"
	"jamba/train/data"
)

type evalPerplexityCmd struct {
	evalFlags
	File      string           `arg:"" help:"The text: plain, .jsonl, .json or .parquet; all but .parquet may be .gz or .zst."`
	Window    int              `placeholder:"N" help:"Tokens of a sequence. Default: 2048, or the model's context if that is less; with --score second-half 512."`
	Stride    int              `placeholder:"N" help:"Tokens that a window predicts, the others being what they are predicted from. Default: all but the first."`
	Score     string           `enum:"all,second-half" default:"all" help:"all: predict each token of a text once. second-half: predict the second half of each window, as llama.cpp's llama-perplexity does."`
	First     int              `placeholder:"N" help:"Only the first N windows."`
	Reference string           `placeholder:"MODEL" help:"A model to compare with, such as the one that -m was quantized from."`
	Exactness *model.Precision `name:"reference-precision" placeholder:"P" help:"How it computes. Default: exact."`
	PlainText bool             `help:"Take the file for plain text, whatever it is named and holds."`
}

func (c *evalPerplexityCmd) Help() string {
	return `Each document of the file is a text of its own; a long text is cut into windows of --window tokens, each computed from an empty state. A token that begins texts stands before each, if the model has one (or else its end-of-text token), so that its first token is predicted, too. The perplexity is that of a token, so that it compares only models with the same tokenizer; bits per byte compare all. Standard errors take tokens as independent.

With --score second-half the file is one text that begins as the model's tokenizer says, its windows follow one another, and the first half of each, and what is left at the end, is not predicted: --window N is llama-perplexity's --ctx-size N.

With --reference the same windows are computed with both: KL is the mean divergence from the reference's distribution of the next token, the ratio of the perplexities has a standard error of its own, less than theirs, as they move together. jamba compare tells more of how logits differ.

` + evalHelp + `

Examples:
  jamba eval perplexity -m MODEL book.txt
  jamba eval perplexity -m MODEL book.txt --window 1024 --stride 512
  jamba eval perplexity -m QUANTIZED.gguf --reference MODEL book.txt -o result.json
  jamba eval perplexity -m MODEL.gguf wiki.test.raw --score second-half`
}

func (c *evalPerplexityCmd) Run(s *streams) error {
	path := c.orEmbedded()
	if err := c.apply(); err != nil {
		return err
	}
	m, err := c.load(s.err, path, c.Precision)
	if err != nil {
		return err
	}
	defer m.Close()
	head := eval.Head{Evaluation: "perplexity"}
	if head.Model, err = describe(path, m.from, m.Model, c.openFlags); err != nil {
		return err
	}
	t, err := text.Open(path)
	if err != nil {
		return err
	}
	settings, err := c.settings(m.Config.MaxPositionEmbeddings, t)
	if err != nil {
		return err
	}
	var reference compare.Engine
	if c.Reference != "" {
		r, err := c.openReference(s, t, &head)
		if err != nil {
			return err
		}
		defer r.Close()
		reference = compare.Model(r.Model)
	}
	if head.Data, err = dataFiles(c.File); err != nil {
		return err
	}
	windows, err := eval.Texts(&data.Sources{Paths: []string{c.File}, PlainText: c.PlainText}, t, &settings)
	if err != nil {
		return err
	}
	if c.First > 0 {
		windows = windows[:min(c.First, len(windows))]
	}
	head.Settings = struct {
		eval.TextSettings
		Windows int `json:"windows"`
	}{settings, len(windows)}
	j, err := begin(s, &c.evalFlags, head, len(windows), eval.SummariseText)
	if err != nil {
		return err
	}
	ctx, stop := untilInterrupted()
	defer stop()
	err = eval.Perplexity(ctx, compare.Model(m.Model), reference, windows, j, bar(s.err, "predicting"))
	return finish(s, &c.evalFlags, j, err, printPerplexity)
}

// settings returns how the text is cut.
func (c *evalPerplexityCmd) settings(context int, t *text.Text) (eval.TextSettings, error) {
	s := eval.TextSettings{Window: c.Window, Stride: c.Stride, Score: c.Score}
	if s.Window == 0 {
		if s.Window = 2048; c.Score == eval.ScoreSecondHalf {
			s.Window = 512
		}
		if context > 0 {
			s.Window = min(s.Window, context)
		}
	}
	switch {
	case s.Window < 4:
		return s, usageError(fmt.Sprintf("--window is %d, want 4 or more", s.Window))
	case context > 0 && s.Window > context:
		return s, usageError(fmt.Sprintf("--window is %d, the model's context %d", s.Window, context))
	case c.Score == eval.ScoreSecondHalf && c.Stride != 0:
		return s, usageError("--stride is for --score all: with second-half it is half of --window")
	case c.First < 0:
		return s, usageError(fmt.Sprintf("--first is %d, want 1 or more", c.First))
	}
	if c.Score == eval.ScoreSecondHalf {
		return s, nil
	}
	if s.Stride == 0 {
		s.Stride = s.Window - 1
	}
	if s.Stride < 1 || s.Stride >= s.Window {
		return s, usageError(fmt.Sprintf("--stride is %d, want 1 to %d: less than --window", s.Stride, s.Window-1))
	}
	if id, ok := t.Tokenizer.BOS(); ok {
		s.Prefix = &id
	} else if id, ok := t.Tokenizer.EOS(); ok {
		s.Prefix = &id
	}
	return s, nil
}

// openReference opens the model to compare with, which has to have the same tokens.
func (c *evalPerplexityCmd) openReference(s *streams, t *text.Text, head *eval.Head) (opened, error) {
	precision := model.Exact
	if c.Exactness != nil {
		precision = *c.Exactness
	}
	other, err := text.Open(c.Reference)
	if err != nil {
		return opened{}, err
	}
	if err := compare.Vocabularies(other.Tokenizer, t.Tokenizer); err != nil {
		return opened{}, fmt.Errorf("%s and %s: %w", c.Reference, c.orEmbedded(), err)
	}
	flags := openFlags{}
	m, err := flags.load(s.err, c.Reference, precision)
	if err != nil {
		return m, err
	}
	d, err := describe(c.Reference, m.from, m.Model, flags)
	if err != nil {
		m.Close()
		return m, err
	}
	head.Reference = &d
	return m, nil
}

func printPerplexity(w io.Writer, r eval.Result) {
	t := r.Summary.(eval.TextSummary)
	fmt.Fprintf(w, "text              %d tokens predicted, %d bytes, %d windows\n", t.Tokens, t.Bytes, r.Items)
	fmt.Fprintf(w, "perplexity        %.5g ± %.2g\n", t.Perplexity, t.StandardError)
	fmt.Fprintf(w, "bits per byte     %.4f\n", t.BitsPerByte)
	if d := t.Reference; d != nil {
		fmt.Fprintf(w, "reference         %s, %s: perplexity %.5g\n", r.Reference.Name, r.Reference.Precision, d.Perplexity)
		fmt.Fprintf(w, "perplexity ratio  %.5f ± %.1g\n", d.Ratio, d.RatioStandardError)
		fmt.Fprintf(w, "KL divergence     mean %.3g ± %.1g nats, largest %.3g\n", d.KL, d.KLStandardError, d.MaxKL)
		fmt.Fprintf(w, "same best token   %.2f %% (%.2f to %.2f)\n", 100*d.SameTop.Share, 100*d.SameTop.Low, 100*d.SameTop.High)
	}
}
