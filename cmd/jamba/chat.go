package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"jamba"
	"jamba/internal/printable"
)

// conversation is a chat on a terminal.
type conversation struct {
	*runCmd
	s        *streams
	m        *jamba.Model
	session  *jamba.Session
	messages []jamba.Message
	text     string       // before the first prompt of a continuation
	last     *jamba.Stats // of the last answer
}

// chat talks on a terminal until its end.
func (c *runCmd) chat(s *streams, m *jamba.Model, path string) (err error) {
	// Where the terminal is too simple for line editing, Ctrl-C at the prompt is a signal: it must not end the chat.
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, os.Interrupt)
	defer signal.Stop(ignored)
	read := newEditor(s)
	talk := &conversation{runCmd: c, s: s, m: m, session: m.NewSession()}
	if talk.messages, talk.text, err = c.resume(s, talk.session, m); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.save(talk.session, talk.messages)) }()
	talk.greet(path)
	for {
		prompt, err := read()
		switch {
		case errors.Is(err, errAborted):
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case strings.TrimSpace(prompt) == "":
			continue
		}
		if name, rest, ok := command(prompt); ok {
			if talk.command(name, rest) {
				return nil
			}
			continue
		}
		talk.turn(jamba.Message{Role: "user", Content: prompt})
	}
}

func (t *conversation) greet(path string) {
	is := t.m.Info()
	text := fmt.Sprintf("%s: %s, %s parameters", printable.Cut(filepath.Base(path), 100), is.Architecture, count(is.Params))
	if is.Context > 0 {
		text += fmt.Sprintf(", context of %d tokens", is.Context)
	}
	text += ". /help lists what can be done here.\n"
	if t.continues(t.m) {
		text += "Plain completion: each prompt stands alone.\n"
	}
	t.say(text)
}

// say writes a text of the command's own.
func (t *conversation) say(text string) {
	out := newScreen(t.s.err)
	_ = out.print(text)
	_ = out.end()
}

// turn answers a message of a user; without one, the conversation so far. An answer that was interrupted counts as far as it came.
func (t *conversation) turn(asked ...jamba.Message) {
	ctx, stop := untilInterrupted()
	defer stop()
	messages := slices.Concat(t.messages, asked)
	prompt := messages[len(messages)-1].Content
	a := t.answer(ctx, t.s, t.session, t.m, messages, t.text+prompt)
	t.text = ""
	out := newScreen(t.s.out)
	if t.continues(t.m) {
		out.print(prompt)
	}
	last, err := printText(out, a)
	if endErr := out.end(); err == nil {
		err = endErr
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(t.s.err, "jamba:", printable.Line(err.Error()))
		return
	}
	t.last = last.Stats
	t.tellEnd(t.s.err, a, last)
	if t.continues(t.m) {
		return
	}
	if said := a.message(); err == nil || said.Content+said.ReasoningContent != "" || said.ToolCalls != nil {
		t.messages = append(messages, said)
	}
	if calls := waiting(t.messages); len(calls) > 0 {
		t.say("/tool RESULT gives back what " + calls[0].Function.Name + " came to.\n")
	}
}
