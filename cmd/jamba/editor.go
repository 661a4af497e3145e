package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/reeflective/readline"
	"github.com/reeflective/readline/inputrc"
)

// errAborted is what reading a prompt ends with at Ctrl-C.
var errAborted = errors.New("the prompt was aborted")

// newEditor returns a function that reads a prompt of one line or several from the terminal. It returns io.EOF at Ctrl-D.
func newEditor(s *streams) func() (string, error) {
	if os.Getenv("TERM") == "dumb" {
		return plainEditor(s)
	}
	shell := readline.NewShell(inputrc.WithApp("jamba"))
	for name, value := range map[string]any{
		"enable-bracketed-paste": true,
		"cursor-position-probe":  false, // prompts begin a line, and not every terminal answers
		"multiline-column":       false,
	} {
		if err := shell.Config.Set(name, value); err != nil {
			return plainEditor(s)
		}
	}
	shell.Prompt.Primary(func() string { return "> " })
	kept := loadHistory()
	shell.History.Add("prompts", kept)
	shell.AcceptMultiline = func(line []rune) bool {
		n := len(line)
		if n == 0 || line[n-1] != '\\' || shell.Cursor().Pos() < n {
			return true
		}
		shell.Line().Cut(n-1, n)
		shell.Cursor().Set(n - 1)
		return false
	}
	suspendKey(shell)
	return func() (string, error) {
		prompt, err := shell.Readline()
		if errors.Is(err, readline.ErrInterrupt) {
			return "", errAborted
		}
		if err == nil {
			kept.save(prompt)
		}
		return prompt, err
	}
}

// plainEditor reads lines as the terminal itself edits them.
func plainEditor(s *streams) func() (string, error) {
	in := bufio.NewReader(s.in)
	return func() (string, error) {
		var lines []string
		for prompt := "> "; ; prompt = ". " {
			fmt.Fprint(s.out, prompt)
			line, err := in.ReadString('\n')
			line, more := strings.CutSuffix(strings.TrimRight(line, "\r\n"), `\`)
			if lines = append(lines, line); err != nil {
				fmt.Fprintln(s.out)
				return "", err
			}
			if !more {
				return strings.Join(lines, "\n"), nil
			}
		}
	}
}
