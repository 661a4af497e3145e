package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"jamba/internal/measure/compare"
	"jamba/model"
	"jamba/text"
)

type compareCmd struct {
	modelFlag
	threadsFlag
	openFlags
	Precision model.Precision `default:"exact" placeholder:"P" help:"How the reference computes: exact or fast."`

	With          string           `xor:"with" placeholder:"MODEL" help:"The model to compare with the reference. Default: the same."`
	WithWeights   weightsFlag      `xor:"with-weights" placeholder:"TYPE" help:"Its --weights."`
	WithAdapter   string           `xor:"with-adapter" placeholder:"DIR" help:"Its --adapter. Default: none."`
	WithPrecision *model.Precision `xor:"with-precision" placeholder:"P" help:"How it computes. Default: fast, as run does."`
	WithKV        kvFlag           `name:"with-kv" xor:"with-kv" placeholder:"TYPE" help:"Its --kv. Default: as its precision says."`
	WithLogits    string           `xor:"with,with-weights,with-adapter,with-precision,with-kv" placeholder:"FILE" help:"Instead of a model: a NumPy file of logits, as jamba logits writes, a row for each token."`

	Text    *string `xor:"tokens" placeholder:"FILE" help:"Text to compare on; - is standard input."`
	Tokens  *string `xor:"tokens" placeholder:"IDS" help:"Or token ids: 1,2,3 or a JSON array; - reads them from standard input."`
	First   int     `placeholder:"N" help:"Only the first N tokens."`
	Context int     `default:"512" placeholder:"N" help:"Cut the tokens into sequences of N. Default: 512."`
	JSON    bool    `name:"json" help:"Print a JSON object."`
}

func (c *compareCmd) Help() string {
	return `Either --text or --tokens has to be given. The reference is -m with --weights, --precision and --kv; all its logits are compared with those of the other, in float64. KL is the divergence from the reference's distribution of the next token, in nats; its standard error takes positions as independent. The share of positions with the same most likely token stands with its 95 % confidence interval.

The tokens are cut into sequences of --context, each from an empty state; the last may be shorter. The first token of a sequence is not predicted in the perplexities. Logits of another engine have to come from the same sequences, one after the other.

Examples:
  jamba compare -m MODEL --text FILE                                          fast against exact
  jamba compare -m MODEL --with QUANTIZED.gguf --text FILE                    what a user of QUANTIZED gets
  jamba compare -m MODEL --with-weights q8_0 --with-precision exact --text FILE
  jamba compare -m MODEL --with-kv q8_0 --text FILE                           what keys and values in 8 bits cost
  jamba compare -m MODEL --with-logits other.npy --tokens - < ids`
}

// comparison is what compare prints with --json.
type comparison struct {
	Reference side `json:"reference"`
	With      side `json:"with"`
	Context   int  `json:"context"`
	compare.Summary
}

// side is one of the two that are compared: a model, or a file of logits.
type side struct {
	Model     string `json:"model,omitempty"`
	Adapter   string `json:"adapter,omitempty"`
	Weights   string `json:"weights,omitempty"` // that were rounded to this type
	Precision string `json:"precision,omitempty"`
	KV        string `json:"kv,omitempty"` // that keys and values were kept in, if not as the precision says
	Logits    string `json:"logits,omitempty"`
}

func (d side) String() string {
	if d.Logits != "" {
		return d.Logits
	}
	name := d.Model
	if d.Adapter != "" {
		name += " with adapter " + d.Adapter
	}
	if d.Weights != "" {
		name += " rounded to " + d.Weights
	}
	name += ", " + d.Precision
	if d.KV != "" {
		name += ", keys and values " + d.KV
	}
	return name
}

func newSide(path string, m *model.Model, flags openFlags) side {
	d := side{Model: filepath.Base(path), Precision: m.Precision().String()}
	if flags.Adapter != "" {
		d.Adapter = filepath.Base(flags.Adapter)
	}
	if m.KV() != m.Precision().KV() {
		d.KV = strings.ToLower(m.KV().String())
	}
	if slices.ContainsFunc(m.Rounded(), func(c model.Conversion) bool { return !c.Kept }) {
		d.Weights = string(flags.Weights)
	}
	return d
}

func (c *compareCmd) Run(s *streams) error {
	path := c.orEmbedded()
	if err := c.apply(); err != nil {
		return err
	}
	if c.Text == nil && c.Tokens == nil {
		return usageError("missing flags: --text=FILE or --tokens=IDS")
	}
	if c.Context < 1 {
		return usageError(fmt.Sprintf("--context is %d, want 1 or more", c.Context))
	}
	if c.First < 0 {
		return usageError(fmt.Sprintf("--first is %d, want 0 or more", c.First))
	}
	with := c.With
	if with == "" {
		with = path
	}
	ids, err := c.ids(s, path, with)
	if err != nil {
		return err
	}
	m, err := c.load(s.err, path, c.Precision)
	if err != nil {
		return err
	}
	defer m.Close()
	result := comparison{Reference: newSide(path, m.Model, c.openFlags), Context: c.Context}
	var other compare.Engine
	if c.WithLogits != "" {
		file, err := compare.OpenLogits(c.WithLogits, len(ids))
		if err != nil {
			return err
		}
		defer file.Close()
		other = file
		result.With = side{Logits: filepath.Base(c.WithLogits)}
	} else {
		flags, precision := openFlags{c.WithAdapter, weightFlags{Weights: c.WithWeights, KV: c.WithKV}}, model.Fast
		if c.WithPrecision != nil {
			precision = *c.WithPrecision
		}
		n, err := flags.load(s.err, with, precision)
		if err != nil {
			return err
		}
		defer n.Close()
		other = compare.Model(n.Model)
		result.With = newSide(with, n.Model, flags)
	}
	ctx, stop := untilInterrupted()
	defer stop()
	if result.Summary, err = c.compare(ctx, s, compare.Model(m.Model), other, ids); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, result)
	}
	return result.print(s.out)
}

func (c *compareCmd) compare(ctx context.Context, s *streams, reference, other compare.Engine, ids []int32) (compare.Summary, error) {
	var progress func(done, total int)
	if draw := bar(s.err, "comparing"); draw != nil {
		progress = func(done, total int) { draw(int64(done), int64(total)) }
	}
	return compare.Run(ctx, reference, other, ids, c.Context, progress)
}

// ids returns the tokens to compare on. If they come from a text, the models have to have the same vocabulary.
func (c *compareCmd) ids(s *streams, path, with string) (ids []int32, err error) {
	if c.Tokens != nil {
		list, err := argument(c.Tokens, s)
		if err != nil {
			return nil, err
		}
		if ids, err = parseIDs(list); err != nil {
			return nil, err
		}
	} else {
		t, err := text.Open(path)
		if err != nil {
			return nil, err
		}
		if with != path {
			other, err := text.Open(with)
			if err != nil {
				return nil, err
			}
			if err := compare.Vocabularies(t.Tokenizer, other.Tokenizer); err != nil {
				return nil, fmt.Errorf("%s and %s: %w", path, with, err)
			}
		}
		b, err := readInput(*c.Text, s)
		if err != nil {
			return nil, err
		}
		for part, err := range t.Parts(string(b)) {
			if err != nil {
				return nil, err
			}
			if ids = append(ids, part...); c.First > 0 && len(ids) >= c.First {
				break
			}
		}
	}
	if c.First > 0 && c.First < len(ids) {
		ids = ids[:c.First]
	}
	if len(ids) == 0 {
		return nil, errors.New("there are no tokens to compare on")
	}
	return ids, nil
}

func (r *comparison) print(w io.Writer) error {
	fmt.Fprintf(w, "reference         %v\n", r.Reference)
	fmt.Fprintf(w, "compared          %v\n", r.With)
	fmt.Fprintf(w, "positions         %d in sequences of %d\n", r.Positions, r.Context)
	fmt.Fprintf(w, "KL divergence     mean %.3g ± %.1g nats, median %.3g, 99 %% below %.3g, largest %.3g\n",
		r.KL.Mean, r.KL.StandardError, r.KL.Median, r.KL.P99, r.KL.Max)
	fmt.Fprintf(w, "same best token   %.2f %% (%.2f to %.2f)\n", 100*r.SameTop.Share, 100*r.SameTop.Low, 100*r.SameTop.High)
	_, err := fmt.Fprintf(w, "logit difference  mean %.3g, largest %.3g\n", r.MeanDiff, r.MaxDiff)
	if r.Predicted > 0 && err == nil {
		_, err = fmt.Fprintf(w, "perplexity        %.4g, compared %.4g\n", r.Perplexity, r.WithPerplexity)
	}
	return err
}
