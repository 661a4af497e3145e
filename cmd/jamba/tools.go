package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"jamba"
	"jamba/internal/bounded"
	"jamba/internal/printable"
	"jamba/text/reply"
)

// toolFlags say which tools the model may call, and what calls came to.
type toolFlags struct {
	Tools      string   `group:"Tools" placeholder:"FILE" help:"Tools that the model may call: a JSON array of functions, as OpenAI's API has them."`
	ToolFormat string   `group:"Tools" default:"auto" placeholder:"FORMAT" help:"How the model writes calls: jamba, hermes, llama3_json, mistral; auto: as its chat template does."`
	ToolResult []string `group:"Tools" sep:"none" placeholder:"TEXT" help:"With --session, in place of a prompt: what a call came to. Once for each call, in their order."`

	list   []json.RawMessage
	format *reply.Format
}

// read reads the tools. The model has a chat template, unless it continues.
func (f *toolFlags) read(m *jamba.Model, continues bool) (err error) {
	if f.Tools == "" {
		return nil
	}
	if continues {
		return usageError("--tools is for chats: the model has no chat template, or --raw is set")
	}
	b, err := bounded.ReadFile(f.Tools, maxTools)
	if err != nil {
		return err
	}
	if f.list, err = tools(b); err != nil {
		return fmt.Errorf("%s: %w", f.Tools, err)
	}
	if f.format = reply.Of(m.Text().Templates); f.ToolFormat != "auto" {
		if f.format, err = reply.Find(f.ToolFormat); err != nil {
			return usageError("--tool-format: " + err.Error())
		}
	}
	if f.format == nil {
		return errors.New("the model's chat template tells no format of tool calls; --tool-format names one")
	}
	return nil
}

// maxTools bounds the file of --tools, in bytes.
const maxTools = 16 << 20

// tools reads a JSON array of tools. A function that stands there alone becomes a tool.
func tools(b []byte) (list []json.RawMessage, err error) {
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("want a JSON array of tools: %w", err)
	}
	for i, raw := range list {
		var t struct {
			Name     string
			Function *struct{ Name string }
		}
		switch err := json.Unmarshal(raw, &t); {
		case err != nil:
			return nil, fmt.Errorf("tool %d: %w", i+1, err)
		case t.Function == nil && t.Name != "":
			list[i] = slices.Concat([]byte(`{"type":"function","function":`), raw, []byte("}"))
		case t.Function == nil || t.Function.Name == "":
			return nil, fmt.Errorf(`tool %d: it has no name; want {"type": "function", "function": {"name": …, "description": …, "parameters": {…}}}`, i+1)
		}
	}
	return list, nil
}

// splitter returns what takes the answer to messages apart; nil if there are no tools.
func (c *runCmd) splitter(m *jamba.Model, messages []jamba.Message) *reply.Splitter {
	if c.list == nil {
		return nil
	}
	o := reply.Options{Thinks: true, Format: c.format}
	conversation, err := json.Marshal(map[string]any{"messages": messages, "tools": c.list})
	if err == nil {
		// Where there is no prompt, there is no answer either.
		p, _ := m.ChatPrompt(conversation, c.LiteralContent)
		o.Opened = reply.Opened(m.Text().Tokenizer, p.IDs)
	}
	return reply.New(o)
}

// toolCall is a call as OpenAI's API has it, but for the arguments, which are an object as templates take them.
type toolCall struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// listener puts together what an answer says.
type listener struct {
	parts  *reply.Splitter // nil: all is text
	format *reply.Format

	said     jamba.Message
	calls    []toolCall
	open     *reply.Call // whose arguments come
	written  string      // of these
	thinking bool
	last     byte // of what was shown
}

// push takes the next piece, and returns what is shown of it: thoughts between their marks, calls each in a line.
func (l *listener) push(p jamba.Piece) (shown string) {
	if l.parts == nil {
		l.said.Content += p.Text
		return p.Text
	}
	parts := l.parts.Push(p.Text)
	if p.Finish != "" {
		parts = append(parts, l.parts.Flush()...)
	}
	for _, part := range parts {
		l.show(&shown, l.part(part))
	}
	if p.Finish != "" {
		l.show(&shown, l.ended())
	}
	return shown
}

func (l *listener) show(shown *string, text string) {
	if *shown += text; text != "" {
		l.last = text[len(text)-1]
	}
}

// part notes a part of the answer, and returns what is shown of it.
func (l *listener) part(p reply.Part) string {
	switch {
	case p.Thought != "":
		l.said.ReasoningContent += p.Thought
		if !l.thinking {
			l.thinking = true
			return "<think>\n" + p.Thought
		}
		return p.Thought
	case p.Arguments != "":
		if l.written += p.Arguments; !p.Complete {
			return p.Arguments
		}
		l.calls = append(l.calls, toolCall{l.format.CallID(), "function", function{l.open.Name, json.RawMessage(l.written)}})
		l.open = nil
		return p.Arguments + ")\n"
	}
	shown := l.ended()
	if p.Call != nil {
		if l.open, l.written = p.Call, ""; shown == "" && l.last != '\n' && l.last != 0 {
			shown = "\n"
		}
		return shown + p.Call.Name + "("
	}
	l.said.Content += p.Text
	return shown + p.Text
}

// ended returns what is shown at the end of a thought, and of a call that broke off, which is text.
func (l *listener) ended() (shown string) {
	switch {
	case l.thinking:
		shown = "\n</think>\n\n"
	case l.open != nil:
		l.said.Content += l.open.Head + l.written
		shown = "…\n"
	}
	l.thinking, l.open = false, nil
	return shown
}

// message returns what was said.
func (l *listener) message() jamba.Message {
	m := l.said
	if m.Role = "assistant"; len(l.calls) > 0 {
		m.ToolCalls, _ = json.Marshal(l.calls) // they can be
	}
	return m
}

// waiting returns the calls at the end of a conversation that have no result.
func waiting(messages []jamba.Message) (calls []toolCall) {
	results := 0
	for _, m := range slices.Backward(messages) {
		if m.Role == "tool" {
			results++
			continue
		}
		_ = json.Unmarshal(m.ToolCalls, &calls) // none are none
		break
	}
	return calls[min(results, len(calls)):]
}

// result returns the message that gives a call's result back.
func (t *toolCall) result(text string) jamba.Message {
	return jamba.Message{Role: "tool", Content: text, ToolCallID: t.ID}
}

// called returns the names of calls' functions.
func called(calls []toolCall) string {
	list := make([]string, len(calls))
	for i, c := range calls {
		list[i] = printable.Cut(c.Function.Name, 100)
	}
	return strings.Join(list, ", ")
}

// withResults returns a conversation with the results of the calls at its end.
func (f *toolFlags) withResults(messages []jamba.Message) ([]jamba.Message, error) {
	calls := waiting(messages)
	if len(calls) != len(f.ToolResult) {
		told := "none waits for one"
		if len(calls) > 0 {
			told = "these wait for one: " + called(calls)
		}
		return nil, fmt.Errorf("--tool-result: %d results of calls; %s", len(f.ToolResult), told)
	}
	for i, c := range calls {
		messages = append(messages, c.result(f.ToolResult[i]))
	}
	return messages, nil
}

// told says of calls how their results are given back.
func (c *runCmd) told(calls []toolCall) string {
	if c.Session == "" {
		return "the model waits for what it has called: " + called(calls) + "; with --session FILE the result can be given back"
	}
	return "the model waits for what it has called: " + called(calls) + "; the same command with --tool-result TEXT in place of the prompt, once for each call, gives it back"
}
