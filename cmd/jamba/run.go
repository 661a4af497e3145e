package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"jamba"
	"jamba/internal/bounded"
	"jamba/model"
)

type runCmd struct {
	modelFlag
	threadsFlag
	openFlags
	Prompt *string `arg:"" optional:"" help:"The prompt; - reads it from standard input, less a newline at its end. Without one, on a terminal: chat."`

	System    *string         `placeholder:"TEXT" help:"System message of the chat."`
	Raw       bool            `help:"Continue the prompt as plain text, also if the model has a chat template."`
	JSON      bool            `name:"json" help:"Print one JSON object when the answer is complete, or interrupted."`
	Precision model.Precision `default:"fast" placeholder:"P" help:"fast: quantized weights times activations rounded to 16 bits or little less. exact: float32."`
	Stats     bool            `help:"Print tokens per second on standard error."`

	Schema string `placeholder:"FILE" help:"Hold answers to the JSON schema in FILE."`
	schema jamba.Format

	Session string `placeholder:"FILE" help:"Go on with the conversation in FILE, if there is one, and keep it there, with what was computed for it."`

	toolFlags

	StateDir string `placeholder:"DIR" help:"Keep what was computed for prompts in DIR: one that begins like an earlier one goes on from there, also in another run."`

	LiteralContent  bool `help:"Take control tokens that the prompt or a message spells out, such as <|im_end|>, for text."`
	AllowRepetition bool `help:"Do not end an answer that only repeats itself; with --raw none is ended."`

	MaxTokens         *int              `group:"Sampling" placeholder:"N" help:"Longest answer in tokens. Default: the model's max_new_tokens, else 2048."`
	Temperature       *float64          `group:"Sampling" placeholder:"T" help:"0: always the most likely token; 1: as likely as the model says; higher: more varied."`
	TopK              *int              `group:"Sampling" placeholder:"K" help:"Choose among the K most likely tokens; 0 or -1: all."`
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
	return `If the model has a chat template, the prompt is a message and the output the assistant's answer; otherwise, or with --raw, the output continues the prompt, which on a terminal is shown before it.

Sampling defaults to what the model's generation_config.json says (in a .gguf file general.sampling.*). If that says nothing, a chat samples with temperature 0.8, top-p 0.95 and min-p 0.05, and a continuation takes the most likely token, as --temperature 0 does.

An answer that repeats the same words over and over is ended; --json gives "repetition" as its finish_reason, beside "stop", "length" and, after Ctrl-C, "interrupted".

Spelt out in a message, a control token such as <|im_end|> is one, as in the reference. --literal-content makes it text; a chat template that does not let messages be followed into the prompt is then an error.

A prompt that begins with - goes after --, as in: jamba run -m MODEL -- "-5 + 3 ="

With --tools the model may call functions of yours. A call is printed in a line as get_weather({"city": "Rome"}), thoughts between <think> and </think>; with --json calls are the array tool_calls. Nothing is run: --tool-result, or /tool in a chat, gives back what a call came to, and the model goes on.

In a chat: Ctrl-C stops the answer, Ctrl-D ends the chat, Ctrl-Z suspends it, a line that ends in \ goes on, a pasted text is one message, /help lists the commands.

Examples:
  jamba run -m MODEL
  jamba run -m MODEL "Why is the sky blue?" --temperature 0.7 --seed 1
  jamba run -m MODEL --raw "Once upon a time" --max-tokens 200 --stats
  jamba run -m MODEL --session trip.chat "And on the second day?"
  jamba run -m MODEL --session trip.chat --tools tools.json "Will it rain?"
  jamba run -m MODEL --session trip.chat --tools tools.json --tool-result "sunny, 21 degrees"
  cat letter.txt | jamba run -m MODEL --system "Summarise in one sentence." -`
}

func (c *runCmd) Run(s *streams) error {
	path := c.orEmbedded()
	if err := c.apply(); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	if c.Logprobs != nil && !c.JSON {
		return usageError("--logprobs needs --json")
	}
	interactive := c.Prompt == nil && c.ToolResult == nil && isTerminal(s.in) && isTerminal(s.out)
	if interactive && c.JSON {
		return usageError("--json needs a prompt")
	}
	if c.Schema != "" {
		schema, err := bounded.ReadText(c.Schema, maxSchema)
		if err != nil {
			return err
		}
		c.schema = jamba.JSONSchema(schema)
	}
	m, err := jamba.OpenWith(path, jamba.OpenOptions{
		Options: c.options(s.err, c.Precision), StateDir: c.StateDir, Warn: func(err error) { warn(s.err, err.Error()) },
	})
	if err != nil {
		return err
	}
	defer m.Close()
	collectEarly()
	c.introduce(s.err)
	c.tell(s.err, opened{m.Network(), m.Checkpoint()})
	warn(s.err, m.Warnings()...)
	for id := range c.LogitBias {
		if n := m.Info().VocabSize; id < 0 || int(id) >= n {
			return fmt.Errorf("--logit-bias: token id %d is not in the vocabulary of %d", id, n)
		}
	}
	if c.System != nil && c.continues(m) {
		return usageError("--system is for chats: the model has no chat template, or --raw is set")
	}
	if err := m.CheckFormat(context.Background(), c.schema); err != nil {
		return fmt.Errorf("%s: %w", c.Schema, err)
	}
	if err := c.read(m, c.continues(m)); err != nil {
		return err
	}
	if interactive {
		return c.chat(s, m, path)
	}
	prompt, err := c.prompt(s)
	if err != nil {
		return err
	}
	ctx, stop := untilInterrupted()
	defer stop()
	session := m.NewSession()
	messages, before, err := c.resume(s, session, m)
	if err != nil {
		return err
	}
	if c.ToolResult != nil {
		messages, err = c.withResults(messages)
		if err != nil {
			return err
		}
	} else {
		messages = append(messages, jamba.Message{Role: "user", Content: prompt})
	}
	a := c.answer(ctx, s, session, m, messages, before+prompt)
	if c.JSON {
		err := c.printJSON(s, m, a)
		if said := a.message(); err != nil && said.Content == "" {
			return err // as it was
		}
		return errors.Join(err, c.save(session, append(messages, a.message())))
	}
	text := newScreen(s.out)
	if c.continues(m) && text.width != nil {
		text.print(prompt)
	}
	last, err := printText(text, a)
	if endErr := text.end(); err == nil {
		err = endErr
	}
	if err != nil {
		return err
	}
	c.tellEnd(s.err, a, last)
	if len(a.calls) > 0 {
		fmt.Fprintln(s.err, "jamba:", c.told(a.calls))
	}
	return c.save(session, append(messages, a.message()))
}

// prompt returns what was asked.
func (c *runCmd) prompt(s *streams) (string, error) {
	if c.ToolResult != nil {
		return "", nil
	}
	prompt, err := argument(c.Prompt, s)
	if c.Prompt == nil || *c.Prompt == "-" {
		// The newline that ends a line or a file is not part of what was to be said.
		prompt = strings.TrimSuffix(strings.TrimSuffix(prompt, "\n"), "\r")
	}
	return prompt, err
}

// maxSchema bounds the file of --schema.
const maxSchema = 1 << 20

// check says which flags are out of range.
func (c *runCmd) check() error {
	if err := (&jamba.Options{Sampling: c.sampling(jamba.Sampling{})}).Validate(); err != nil {
		return usageError("--" + err.Error())
	}
	if c.MaxTokens != nil && *c.MaxTokens < 1 {
		return usageError(fmt.Sprintf("--max-tokens is %d, want 1 or more", *c.MaxTokens))
	}
	if c.Logprobs != nil && *c.Logprobs < 0 {
		return usageError(fmt.Sprintf("--logprobs is %d, want 0 or more", *c.Logprobs))
	}
	if c.TopP != nil && *c.TopP == 0 {
		return usageError("--top-p is 0, want more than 0, up to 1")
	}
	switch {
	case c.ToolResult == nil:
	case c.Prompt != nil:
		return usageError("--tool-result stands in place of a prompt")
	case c.Session == "" || c.Tools == "":
		return usageError("--tool-result needs --session, where the calls are, and --tools")
	}
	return nil
}

// continues reports whether prompts are continued, not answered.
func (c *runCmd) continues(m *jamba.Model) bool { return c.Raw || !m.CanChat() }
