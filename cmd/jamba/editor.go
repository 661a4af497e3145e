package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/reeflective/readline"
	"github.com/reeflective/readline/inputrc"
	"github.com/rivo/uniseg"
	"golang.org/x/term"
)

// errAborted is what reading a prompt ends with at Ctrl-C.
var errAborted = errors.New("the prompt was aborted")

const promptSign = "> "

// newEditor returns a function that reads a prompt of one line or several from the terminal. It returns io.EOF at Ctrl-D.
func newEditor(s *streams) func() (string, error) {
	if os.Getenv("TERM") == "dumb" {
		return plainEditor(s)
	}
	shell := readline.NewShell(inputrc.WithApp("jamba"))
	for name, value := range map[string]any{
		"enable-bracketed-paste": true,
		// The terminal's answer would swallow keys that are typed meanwhile; see makeRoom.
		"cursor-position-probe": false,
		"multiline-column":      false,
	} {
		if err := shell.Config.Set(name, value); err != nil {
			return plainEditor(s)
		}
	}
	shell.Prompt.Primary(func() string {
		makeRoom(string(*shell.Line()))
		return promptSign
	})
	shell.Prompt.Secondary(func() string { return "" })
	var long pasted
	kept := loadHistory()
	for i, prompt := range kept.prompts {
		kept.prompts[i] = long.show(prompt)
	}
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
	shell.PasteTransformer = long.show
	suspendKey(shell)
	return func() (string, error) {
		prompt, err := shell.Readline()
		if errors.Is(err, readline.ErrInterrupt) {
			return "", errAborted
		}
		prompt = long.restore(prompt)
		if err == nil {
			kept.save(prompt)
		}
		return prompt, err
	}
}

// makeRoom scrolls the terminal so far that the prompt's rows and one more stand below the cursor, where the editor draws
// without a look at the bottom of the screen.
func makeRoom(prompt string) {
	columns, rows, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil || columns < 1 {
		return
	}
	n := 0
	for line := range strings.SplitSeq(prompt, "\n") {
		n += 1 + (len(promptSign)+uniseg.StringWidth(line)+7*strings.Count(line, "\t"))/columns
	}
	n = max(1, min(n, rows-1))
	fmt.Print(strings.Repeat("\n", n), "\x1b[", n, "A")
}

// pasted are long texts that stand in the prompt as a note of their length, so that it fits the screen.
type pasted []struct{ note, text string }

// show returns what stands in the prompt for a pasted text. Control characters would steer the terminal.
func (p *pasted) show(text string) string {
	const shown = 8 // lines
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
	lines := 1 + strings.Count(strings.TrimSuffix(text, "\n"), "\n")
	if lines <= shown && len(text) <= 100*shown {
		return text
	}
	note := fmt.Sprintf("[text %d: %d lines, %d characters]", len(*p)+1, lines, utf8.RuneCountInString(text))
	*p = append(*p, struct{ note, text string }{note, text})
	return note
}

// restore returns the prompt with the texts in the place of their notes.
func (p *pasted) restore(prompt string) string {
	for _, one := range *p {
		prompt = strings.ReplaceAll(prompt, one.note, one.text)
	}
	return prompt
}

// plainEditor reads lines as the terminal itself edits them.
func plainEditor(s *streams) func() (string, error) {
	in := bufio.NewReader(s.in)
	return func() (string, error) {
		var lines []string
		for prompt := promptSign; ; prompt = ". " {
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
