package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// mostKept is how many prompts are kept between chats.
const mostKept = 400

// history are the prompts of this and earlier chats, as the editor takes them. Prompts of several lines stand in its file
// as JSON strings.
type history struct {
	prompts []string
	path    string // "" if they are kept nowhere
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

// loadHistory reads the history's end, and cuts a file that has grown to twice of it. What fails is no reason not to chat.
func loadHistory() *history {
	h := &history{path: historyFile()}
	f, err := os.Open(h.path)
	if err != nil {
		return h
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	all := 0
	for ; lines.Scan(); all++ {
		prompt := lines.Text()
		if strings.HasPrefix(prompt, `"`) {
			var several string
			if json.Unmarshal([]byte(prompt), &several) == nil {
				prompt = several
			}
		}
		h.prompts = append(h.prompts, prompt)
		h.prompts = h.prompts[max(0, len(h.prompts)-mostKept):]
	}
	if all >= 2*mostKept {
		_ = writeFile(h.path, 0o600, func(w io.Writer) error {
			for _, prompt := range h.prompts {
				if _, err := io.WriteString(w, line(prompt)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return h
}

// line is a prompt in the file.
func line(prompt string) string {
	if strings.ContainsAny(prompt, "\r\n") || strings.HasPrefix(prompt, `"`) {
		if b, err := json.Marshal(prompt); err == nil {
			return string(b) + "\n"
		}
	}
	return prompt + "\n"
}

// save appends a prompt to the file.
func (h *history) save(prompt string) {
	if strings.TrimSpace(prompt) == "" || h.path == "" || os.MkdirAll(filepath.Dir(h.path), 0o700) != nil {
		return
	}
	f, err := os.OpenFile(h.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(line(prompt))
}

// Write appends a prompt.
func (h *history) Write(prompt string) (int, error) {
	h.prompts = append(h.prompts, prompt)
	return len(h.prompts), nil
}

// GetLine returns a prompt by its number.
func (h *history) GetLine(i int) (string, error) {
	if i < 0 || i >= len(h.prompts) {
		return "", errors.New("there is no such prompt")
	}
	return h.prompts[i], nil
}

// Len returns the number of prompts.
func (h *history) Len() int { return len(h.prompts) }

// Dump returns all prompts.
func (h *history) Dump() any { return h.prompts }
