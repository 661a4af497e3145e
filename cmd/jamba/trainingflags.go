package main

import (
	"fmt"
	"strconv"

	"jamba/train"
	"jamba/train/data"
)

// trainingFlags are what train and finetune have in common.
type trainingFlags struct {
	threadsFlag
	Out    string `short:"o" required:"" placeholder:"DIR" help:"The folder of the run: log, chart, checkpoints and the model."`
	Resume bool   `help:"Go on from the last checkpoint in -o, or begin if there is none. All else has to be as it was; only a constant learning rate allows other --steps."`

	Steps       *int        `group:"Training" placeholder:"N" xor:"length" help:"Updates of the weights."`
	Epochs      *float64    `group:"Training" placeholder:"X" xor:"length" help:"Instead: so many times through the data."`
	Batch       *int        `group:"Training" placeholder:"N" help:"Sequences in a batch. Default: 8; finetune takes less of little data."`
	Seq         *int        `group:"Training" placeholder:"N" help:"Tokens to be predicted in a sequence, at most. Longer documents are cut, shorter ones share a sequence without seeing one another."`
	GradAccum   *int        `group:"Training" placeholder:"N" help:"Batches in a step, one after the other: as one larger batch, in less memory."`
	LR          *float64    `name:"lr" group:"Training" placeholder:"X" help:"Learning rate at its highest."`
	MinLR       *float64    `name:"min-lr" group:"Training" placeholder:"X" help:"Learning rate at the end of cosine and linear. Default: 0."`
	Schedule    *train.Kind `group:"Training" placeholder:"KIND" help:"Of the learning rate after the warm-up: constant, cosine or linear. Default: cosine."`
	Warmup      *int        `group:"Training" placeholder:"N" help:"Steps in which the learning rate rises from 0. Default: a tenth of all, at most 100."`
	Betas       []float64   `group:"Training" placeholder:"A,B" help:"Of AdamW. Default: 0.9,0.95."`
	Eps         *float64    `group:"Training" placeholder:"X" help:"Of AdamW. Default: 1e-8."`
	WeightDecay *float64    `group:"Training" placeholder:"X" help:"Of AdamW, for matrices."`
	DecayAll    bool        `group:"Training" help:"Decay A_log, D, biases and norms, too."`
	Clip        *float64    `group:"Training" placeholder:"X" help:"Scale gradients down to this norm of all together; 0: never. Default: 1."`
	AuxCoef     *float64    `group:"Training" placeholder:"X" help:"Weight of the loss that spreads tokens over experts. Default: 0.001, for finetune what the model's settings say."`
	Seed        *uint64     `group:"Training" placeholder:"N" help:"Of the first weights and of the order of the data. Default: 0."`

	Split       data.Split `group:"Data" enum:"file,blank,endoftext" default:"file" help:"What a document is in plain text: the file, or what stands between empty lines or between <|endoftext|>. Default: ${default}."`
	PlainText   bool       `group:"Data" help:"Take all files for plain text, whatever they are named and hold."`
	NoShuffle   bool       `group:"Data" help:"Keep the order of the data."`
	SkipCorrupt bool       `group:"Data" help:"Tell of documents that cannot be read and go on."`
	Val         []string   `group:"Data" sep:"none" placeholder:"X|FILE" help:"Validate with this fraction of the documents, or with a file; files may be repeated."`
	TokenCache  string     `group:"Data" placeholder:"DIR" help:"Where the data are kept as token ids. Default: in -o."`

	SaveEvery int  `group:"Checkpoints and log" default:"100" placeholder:"N" help:"Save every N steps; 0: at the end alone. Default: ${default}."`
	Keep      int  `group:"Checkpoints and log" default:"2" placeholder:"N" help:"Keep the last N checkpoints. Default: ${default}."`
	EvalEvery int  `group:"Checkpoints and log" default:"100" placeholder:"N" help:"Validate every N steps. Default: ${default}."`
	Inspect   bool `group:"Checkpoints and log" help:"Put magnitudes of each layer's output, inner values and gradient into the log."`
}

const trainingHelp = `DATA are plain text (.txt, .md, .rst, .tex, .log or no ending), objects (.jsonl and .ndjson, one a line; .json, in a list) or rows (.parquet). All but .parquet may be .gz or .zst. Fields that are read: input_ids (and labels); messages; conversations; prompt and completion; instruction, input and output; text; content. Other files are refused unless --plain-text is said.

Ctrl-C saves and stops; the same command with --resume goes on, to the same weights as if nothing had happened. A second Ctrl-C stops at once, with the last checkpoint as it was.`

// override sets what the flags set.
func (t *training) override() error {
	f, s := t.trainingFlags, &t.settings
	override(&s.Steps, f.Steps)
	if f.Steps != nil {
		t.epochs = 0
	}
	override(&t.epochs, f.Epochs)
	if f.Epochs != nil && !(*f.Epochs > 0) {
		return usageError(fmt.Sprintf("--epochs is %v, want more than 0", *f.Epochs))
	}
	override(&s.Batch, f.Batch)
	override(&s.Seq, f.Seq)
	override(&s.GradAccum, f.GradAccum)
	override(&s.LR, f.LR)
	override(&s.MinLR, f.MinLR)
	override(&s.Schedule, f.Schedule)
	override(&s.Warmup, f.Warmup)
	if f.Warmup != nil && *f.Warmup < 0 { // which means the default to Settings
		return usageError(fmt.Sprintf("--warmup is %d, want 0 or more", *f.Warmup))
	}
	if f.Betas != nil {
		if len(f.Betas) != 2 {
			return usageError(fmt.Sprintf("--betas are %d numbers, want two such as 0.9,0.95", len(f.Betas)))
		}
		s.Betas = [2]float64(f.Betas)
	}
	override(&s.Eps, f.Eps)
	override(&s.WeightDecay, f.WeightDecay)
	s.DecayAll = s.DecayAll || f.DecayAll
	override(&s.Clip, f.Clip)
	override(&s.AuxCoef, f.AuxCoef)
	override(&s.Seed, f.Seed)
	s.NoShuffle = s.NoShuffle || f.NoShuffle
	check := *s
	if t.epochs > 0 {
		check.Steps = max(check.Steps, check.Warmup+1) // they are counted when the data are read
	}
	if err := check.Validate(); err != nil {
		return usageError("--" + err.Error())
	}
	return nil
}

// validation returns what --val says.
func (t *training) validation() (fraction float64, files []string, err error) {
	for _, v := range t.Val {
		if x, err := strconv.ParseFloat(v, 64); err != nil {
			files = append(files, v)
		} else if !(x > 0 && x < 1) || fraction != 0 {
			return 0, nil, usageError(fmt.Sprintf("--val is %s, want one fraction between 0 and 1, or files", v))
		} else {
			fraction = x
		}
	}
	return fraction, files, nil
}
