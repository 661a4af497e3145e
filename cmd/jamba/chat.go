package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/peterh/liner"

	"jamba"
)

const chatHelp = `/clear         forget the conversation
/system TEXT   set the system message, or without TEXT have none, and forget the conversation
/exit          end the chat (so does Ctrl-D)
A line that ends in \ goes on in the next. Ctrl-C stops an answer.`

// chat talks on a terminal until its end.
func (c *runCmd) chat(s *streams, m *jamba.Model) error {
	line := liner.NewLiner()
	defer line.Close()
	line.SetCtrlCAborts(true)
	line.SetMultiLineMode(true)
	// Where the terminal is too simple for line editing, Ctrl-C at the prompt is a signal: it must not end the chat.
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, os.Interrupt)
	defer signal.Stop(ignored)
	loadHistory(line)
	defer saveHistory(line)

	session, messages := m.NewSession(), c.history(m)
	turns := !c.Raw && m.CanChat()
	if !turns {
		fmt.Fprintln(s.err, "Plain completion: each prompt stands alone. /help for help.")
	}
	for {
		prompt, err := readPrompt(line)
		switch {
		case errors.Is(err, liner.ErrPromptAborted):
			continue
		case errors.Is(err, io.EOF):
			fmt.Fprintln(s.out)
			return nil
		case err != nil:
			return err
		}
		command, rest, _ := strings.Cut(strings.TrimSpace(prompt), " ")
		switch command {
		case "":
			continue
		case "/exit", "/quit", "/bye":
			return nil
		case "/help", "/?":
			fmt.Fprintln(s.err, chatHelp)
			continue
		case "/system":
			if c.System = nil; strings.TrimSpace(rest) != "" {
				text := strings.TrimSpace(rest)
				c.System = &text
			}
			if !turns {
				fmt.Fprintln(s.err, "There is no system message in plain completion.")
			}
			messages = c.history(m)
			continue
		case "/clear":
			messages = c.history(m)
			continue
		}
		text, ok := c.turn(s, session, m, messages, prompt)
		if ok && turns {
			messages = append(messages, jamba.Message{Role: "user", Content: prompt}, jamba.Message{Role: "assistant", Content: text})
		}
	}
}

// turn answers one prompt. ok says whether the conversation goes on with it; an answer that was interrupted counts as
// far as it came.
func (c *runCmd) turn(s *streams, session *jamba.Session, m *jamba.Model, messages []jamba.Message, prompt string) (text string, ok bool) {
	ctx, stop := untilInterrupted()
	defer stop()
	o := c.sampled(m)
	o.Progress = progress(s.err)
	text, stats, err := printText(s.out, c.answer(ctx, session, m, messages, prompt, o))
	fmt.Fprintln(s.out)
	switch {
	case errors.Is(err, context.Canceled):
		return text, text != ""
	case err != nil:
		fmt.Fprintln(s.err, "jamba:", err)
		return "", false
	}
	c.printStats(s, stats)
	return text, true
}

// readPrompt reads a prompt of one line, or of several of which all but the last end in a backslash.
func readPrompt(line *liner.State) (string, error) {
	prompt, err := line.Prompt("> ")
	for err == nil && strings.HasSuffix(prompt, `\`) {
		var more string
		more, err = line.Prompt(". ")
		prompt = strings.TrimSuffix(prompt, `\`) + "\n" + more
	}
	if err == nil && strings.TrimSpace(prompt) != "" {
		line.AppendHistory(strings.ReplaceAll(prompt, "\n", " "))
	}
	return prompt, err
}

// historyFile is where prompts are kept between chats, "" if the system names no place.
func historyFile() string {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "jamba", "history")
}

// loadHistory and saveHistory do nothing where there is no history: a chat does not fail for it.
func loadHistory(line *liner.State) {
	if f, err := os.Open(historyFile()); err == nil {
		defer f.Close()
		_, _ = line.ReadHistory(f)
	}
}

func saveHistory(line *liner.State) {
	path := historyFile()
	if path == "" || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	_ = writeFile(path, 0o600, func(w io.Writer) error {
		_, err := line.WriteHistory(w)
		return err
	})
}
