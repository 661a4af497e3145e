package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"jamba/internal/bounded"
	"jamba/jinja"
	"jamba/text"
	"jamba/text/chat"
)

type templateCmd struct {
	modelFlag
	ChatTemplate string `placeholder:"FILE" help:"A Jinja template to use instead of the model's."`
	Request      string `arg:"" placeholder:"REQUEST.json" help:"The conversation; - reads it from standard input."`
}

func (c *templateCmd) Help() string {
	return `Prints exactly the text that the chat template makes, and nothing else; on a terminal control characters are written out. MODEL may be a folder that holds only the tokenizer's files.

REQUEST.json has messages and optionally tools, documents, add_generation_prompt and continue_final_message; any further key is a variable of the template. For example:
  {"messages": [{"role": "user", "content": "Hello"}], "add_generation_prompt": true}

If the template refuses the request, its message is printed and the exit status is 1.`
}

func (c *templateCmd) Run(s *streams) error {
	path, err := c.path()
	if err != nil {
		return err
	}
	b, err := readInput(c.Request, s)
	if err != nil {
		return err
	}
	var r chat.Request
	if err := json.Unmarshal(b, &r); err != nil {
		return fmt.Errorf("%s: %w", c.Request, err)
	}
	t, err := text.Open(path)
	if err != nil {
		return err
	}
	out, err := c.render(t, r)
	if raised, ok := errors.AsType[*jinja.RaisedError](err); ok {
		return errors.New(raised.Message)
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(s.out, shown(s.out, out))
	return err
}

func (c *templateCmd) render(t *text.Text, r chat.Request) (string, error) {
	if c.ChatTemplate != "" {
		source, err := bounded.ReadFile(c.ChatTemplate, jinja.MaxSource)
		if err != nil {
			return "", err
		}
		template, err := chat.FromString(c.ChatTemplate, string(source), t.Tokenizer.SpecialTokens())
		if err != nil {
			return "", err
		}
		return template.Render(r)
	}
	if t.Templates == nil {
		return "", errors.New("the model has no chat template; give one with --chat-template")
	}
	return t.Templates.Render(r)
}

// maxInput bounds a file with a request or a text, in bytes.
const maxInput = 1 << 30

// readInput reads a file, or standard input if it is named "-".
func readInput(path string, s *streams) ([]byte, error) {
	if path != "-" {
		return bounded.ReadFile(path, maxInput)
	}
	b, err := io.ReadAll(s.in)
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	return b, nil
}
