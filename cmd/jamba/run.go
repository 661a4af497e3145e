package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"

	"jamba"
	"jamba/engine"
	"jamba/engine/sample"
	"jamba/model"
)

type runCmd struct {
	modelFlag
	threadsFlag
	openFlags
	Prompt *string `arg:"" optional:"" help:"The prompt; - reads it from standard input, less a newline at its end. Without one, on a terminal: chat."`

	System    *string         `placeholder:"TEXT" help:"System message of the chat."`
	Raw       bool            `help:"Continue the prompt as plain text, also if the model has a chat template."`
	JSON      bool            `name:"json" help:"Print one JSON object when the answer is complete."`
	Precision model.Precision `default:"fast" placeholder:"P" help:"fast: quantized weights times activations rounded to 16 bits or little less. exact: float32."`
	Stats     bool            `help:"Print tokens per second on standard error."`

	MaxTokens         *int              `group:"Sampling" placeholder:"N" help:"Longest answer in tokens. Default: until it ends."`
	Temperature       *float64          `group:"Sampling" placeholder:"T" help:"0: always the most likely token; 1: as likely as the model says; higher: more varied."`
	TopK              *int              `group:"Sampling" placeholder:"K" help:"Choose among the K most likely tokens; 0: all."`
	TopP              *float64          `group:"Sampling" placeholder:"P" help:"Choose among the likeliest tokens that together have probability P."`
	MinP              *float64          `group:"Sampling" placeholder:"P" help:"Choose among tokens at least P times as likely as the likeliest."`
	RepetitionPenalty *float64          `group:"Sampling" placeholder:"X" help:"Divide the logits of tokens seen before by X; 1: none."`
	PresencePenalty   *float64          `group:"Sampling" placeholder:"X" help:"Subtract X from the logits of tokens in the answer so far."`
	FrequencyPenalty  *float64          `group:"Sampling" placeholder:"X" help:"Subtract X for each time that a token was in the answer so far."`
	LogitBias         map[int32]float64 `group:"Sampling" placeholder:"ID=X" help:"Add X to the logit of token ID; may be repeated."`
	Seed              *uint64           `group:"Sampling" placeholder:"N" help:"The same seed gives the same answer. Default: a random one."`
	Stop              []string          `group:"Sampling" sep:"none" placeholder:"TEXT" help:"End the answer before TEXT; may be repeated."`
	Logprobs          *int              `group:"Sampling" placeholder:"N" help:"With --json: log-probabilities of each token and of the N likeliest."`
}

func (c *runCmd) Help() string {
	return `If the model has a chat template, the prompt is a message and the output the assistant's answer; otherwise, or with --raw, the output continues the prompt. Sampling defaults to what the model's generation_config.json says, and to the most likely token if that says nothing.

A prompt that begins with - goes after --, as in: jamba run -m MODEL -- "-5 + 3 ="

In a chat: Ctrl-C stops the answer, Ctrl-D ends the chat, a line that ends in \ goes on, /help lists the commands.

Examples:
  jamba run -m MODEL
  jamba run -m MODEL "Why is the sky blue?" --temperature 0.7 --seed 1
  jamba run -m MODEL --raw "Once upon a time" --max-tokens 200 --stats
  cat letter.txt | jamba run -m MODEL --system "Summarise in one sentence." -`
}

func (c *runCmd) Run(s *streams) error {
	path := c.orEmbedded()
	if err := c.apply(); err != nil {
		return err
	}
	if err := (&jamba.Options{Sampling: c.sampling(sample.Params{})}).Validate(); err != nil {
		return usageError("--" + err.Error())
	}
	if c.MaxTokens != nil && *c.MaxTokens < 1 {
		return usageError(fmt.Sprintf("--max-tokens is %d, want 1 or more", *c.MaxTokens))
	}
	if c.Logprobs != nil && *c.Logprobs < 0 {
		return usageError(fmt.Sprintf("--logprobs is %d, want 0 or more", *c.Logprobs))
	}
	if c.Logprobs != nil && !c.JSON {
		return usageError("--logprobs needs --json")
	}
	if c.TopP != nil && *c.TopP == 0 {
		return usageError("--top-p is 0, want more than 0, up to 1")
	}
	interactive := c.Prompt == nil && isTerminal(s.in) && isTerminal(s.out)
	if interactive && c.JSON {
		return usageError("--json needs a prompt")
	}
	m, err := jamba.OpenWith(path, c.options(s.err, c.Precision))
	if err != nil {
		return err
	}
	defer m.Close()
	c.introduce(s.err)
	c.tell(s.err, m.Network())
	warn(s.err, m.Warnings()...)
	for id := range c.LogitBias {
		if n := m.Network().Config.VocabSize; id < 0 || int(id) >= n {
			return fmt.Errorf("--logit-bias: token id %d is not in the vocabulary of %d", id, n)
		}
	}
	if c.System != nil && (c.Raw || !m.CanChat()) {
		return usageError("--system is for chats: the model has no chat template, or --raw is set")
	}
	if interactive {
		return c.chat(s, m)
	}
	prompt, err := argument(c.Prompt, s)
	if err != nil {
		return err
	}
	if c.Prompt == nil || *c.Prompt == "-" {
		// The newline that ends a line or a file is not part of what was to be said.
		prompt = strings.TrimSuffix(strings.TrimSuffix(prompt, "\n"), "\r")
	}
	ctx, stop := untilInterrupted()
	defer stop()
	o := c.sampled(m)
	o.Progress = progress(s.err)
	pieces := c.answer(ctx, m.NewSession(), m, c.history(m), prompt, o)
	if c.JSON {
		return c.printJSON(s, m, pieces, *o.Seed)
	}
	text, stats, err := printText(s.out, pieces)
	if err != nil {
		if text != "" {
			fmt.Fprintln(s.out)
		}
		return err
	}
	if isTerminal(s.out) {
		fmt.Fprintln(s.out)
	}
	c.printStats(s, stats)
	return nil
}

// sampling returns p with what the flags set.
func (c *runCmd) sampling(p sample.Params) sample.Params {
	override(&p.Temperature, c.Temperature)
	override(&p.TopK, c.TopK)
	override(&p.TopP, c.TopP)
	override(&p.MinP, c.MinP)
	override(&p.RepetitionPenalty, c.RepetitionPenalty)
	override(&p.PresencePenalty, c.PresencePenalty)
	override(&p.FrequencyPenalty, c.FrequencyPenalty)
	if c.Seed != nil {
		p.Seed = c.Seed
	}
	p.LogitBias = c.LogitBias
	return p
}

func override[T any](v, flag *T) {
	if flag != nil {
		*v = *flag
	}
}

func (c *runCmd) sampled(m *jamba.Model) jamba.Options {
	o := m.Defaults()
	o.Seed = new(rand.Uint64())
	o.Sampling = c.sampling(o.Sampling)
	override(&o.MaxTokens, c.MaxTokens)
	o.Stop = append(o.Stop[:len(o.Stop):len(o.Stop)], c.Stop...)
	if c.Logprobs != nil {
		o.Logprobs, o.TopTokens = true, *c.Logprobs
	}
	return o
}

// history returns the messages that a chat begins with.
func (c *runCmd) history(*jamba.Model) []jamba.Message {
	if c.System == nil {
		return nil
	}
	return []jamba.Message{{Role: "system", Content: *c.System}}
}

// answer answers prompt after the messages before it, or continues it as plain text.
func (c *runCmd) answer(ctx context.Context, s *jamba.Session, m *jamba.Model, before []jamba.Message, prompt string, o jamba.Options) iter.Seq2[jamba.Piece, error] {
	if c.Raw || !m.CanChat() {
		return s.Generate(ctx, prompt, o)
	}
	return s.Chat(ctx, append(before[:len(before):len(before)], jamba.Message{Role: "user", Content: prompt}), o)
}

// printText writes an answer as it comes, and returns what was written.
func printText(w io.Writer, pieces iter.Seq2[jamba.Piece, error]) (text string, stats *jamba.Stats, err error) {
	for p, err := range pieces {
		if err != nil {
			return text, nil, err
		}
		text += p.Text
		if _, err := io.WriteString(w, p.Text); err != nil {
			return text, nil, err
		}
		stats = p.Stats
	}
	return text, stats, nil
}

func (c *runCmd) printStats(s *streams, stats *jamba.Stats) {
	if c.Stats && stats != nil {
		fmt.Fprintf(s.err, "prompt %d tokens, %d reused, %.1f tokens/s; answer %d tokens, %.1f tokens/s\n",
			stats.PromptTokens, stats.ReusedTokens, stats.PrefillRate(), stats.AnswerTokens, stats.DecodeRate())
	}
}

// result is what run prints with --json.
type result struct {
	Text         string        `json:"text"`
	FinishReason engine.Finish `json:"finish_reason"`
	Seed         string        `json:"seed"` // a string, as JSON's numbers have 53 bits
	Tokens       []token       `json:"tokens"`
	Usage        usage         `json:"usage"`
}

type token struct {
	ID          int32        `json:"id"`
	Token       string       `json:"token"`
	Logprob     *float64     `json:"logprob,omitempty"`
	TopLogprobs []topLogprob `json:"top_logprobs,omitempty"`
}

type topLogprob struct {
	ID      int32   `json:"id"`
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
}

type usage struct {
	PromptTokens     int     `json:"prompt_tokens"`
	CompletionTokens int     `json:"completion_tokens"`
	PrefillRate      float64 `json:"prefill_tokens_per_s"`
	DecodeRate       float64 `json:"decode_tokens_per_s"`
}

func (c *runCmd) printJSON(s *streams, m *jamba.Model, pieces iter.Seq2[jamba.Piece, error], seed uint64) error {
	r := result{Tokens: []token{}, Seed: strconv.FormatUint(seed, 10)}
	spell := func(id int32) string { return string(m.Text().Tokenizer.TokenBytes(id)) }
	var stats *jamba.Stats
	for p, err := range pieces {
		if err != nil {
			return err
		}
		r.Text += p.Text
		if p.Finish != "" {
			r.FinishReason, stats = p.Finish, p.Stats
			r.Usage = usage{p.Stats.PromptTokens, p.Stats.AnswerTokens, p.Stats.PrefillRate(), p.Stats.DecodeRate()}
			continue
		}
		t := token{ID: p.ID, Token: spell(p.ID)}
		if p.Logprob != nil {
			t.Logprob = &p.Logprob.Logprob
			for _, top := range p.Top {
				t.TopLogprobs = append(t.TopLogprobs, topLogprob{top.ID, spell(top.ID), top.Logprob})
			}
		}
		r.Tokens = append(r.Tokens, t)
	}
	if err := writeJSON(s.out, r); err != nil {
		return err
	}
	c.printStats(s, stats)
	return nil
}
