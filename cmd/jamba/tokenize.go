package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"

	"jamba/text"
)

type tokenizeCmd struct {
	modelFlag
	Text      *string `arg:"" optional:"" help:"The text, taken byte for byte. Default: standard input."`
	NoSpecial bool    `help:"Add no special tokens such as the one that begins a text; with --decode leave them out."`
	JSON      bool    `name:"json" help:"Print a JSON array of ids, or with --decode a JSON string."`
	Decode    bool    `help:"The other way round: ids, as a JSON array or spaced numbers, to text."`
}

func (c *tokenizeCmd) Help() string {
	return `MODEL may be a folder that holds only the tokenizer's files.

Examples:
  jamba tokenize -m MODEL "Hello, world!"
  jamba tokenize -m MODEL --json < file.txt
  jamba tokenize -m MODEL --decode "[1, 2, 3]"`
}

func (c *tokenizeCmd) Run(s *streams) error {
	path := c.orEmbedded()
	input, err := argument(c.Text, s)
	if err != nil {
		return err
	}
	t, err := text.Open(path)
	if err != nil {
		return err
	}
	warn(s.err, t.Tokenizer.Warnings()...)
	if c.Decode {
		ids, err := parseIDs(input)
		if err != nil {
			return err
		}
		var padded []string
		for i, id := range ids {
			if n := t.Tokenizer.VocabSize(); int(id) >= n {
				return fmt.Errorf("token id %d at position %d is not in the vocabulary of %d", id, i, n)
			}
			if t.Tokenizer.Padded(id) {
				padded = append(padded, fmt.Sprintf("token id %d at position %d is no token and prints nothing", id, i))
			}
		}
		warn(s.err, padded...)
		decoded := t.Tokenizer.Decode(ids, c.NoSpecial)
		if c.JSON {
			return writeJSON(s.out, decoded)
		}
		_, err = io.WriteString(s.out, shown(s.out, decoded))
		return err
	}
	begin, between, end := "", " ", "\n"
	if c.JSON {
		begin, between, end = "[", ",", "]\n"
	}
	w := bufio.NewWriterSize(s.out, 1<<16)
	w.WriteString(begin)
	n := 0
	for ids, err := range t.Tokenizer.Parts(input, !c.NoSpecial) {
		if err != nil {
			return err
		}
		for _, id := range ids {
			if n++; n > 1 {
				w.WriteString(between)
			}
			w.WriteString(strconv.Itoa(int(id)))
		}
	}
	w.WriteString(end)
	return w.Flush()
}

// argument returns the argument, or standard input if it is left out or "-".
func argument(arg *string, s *streams) (string, error) {
	if arg != nil && *arg != "-" {
		return *arg, nil
	}
	return readText(s.in)
}

// readText reads a text to its end.
func readText(in io.Reader) (string, error) {
	if f, ok := in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			var b strings.Builder
			b.Grow(int(min(info.Size(), maxInput)))
			_, err := io.Copy(&b, in)
			return b.String(), inputError(err)
		}
	}
	var parts []string // a buffer that grows would leave as much behind
	for {
		var b strings.Builder
		b.Grow(1 << 20)
		switch _, err := io.CopyN(&b, in, 1<<20); {
		case err == io.EOF:
			return strings.Join(append(parts, b.String()), ""), nil
		case err != nil:
			return "", inputError(err)
		}
		parts = append(parts, b.String())
	}
}

func inputError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("standard input: %w", err)
}

// parseIDs reads token ids: a JSON array, or numbers between spaces or commas.
func parseIDs(s string) ([]int32, error) {
	s = strings.TrimSpace(s)
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); !ok {
			return nil, fmt.Errorf("token ids: the JSON array has no end")
		}
		s = inner
	}
	fields := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' || r == '\r' })
	ids := make([]int32, len(fields))
	for i, f := range fields {
		id, err := strconv.ParseInt(f, 10, 32)
		if err != nil || id < 0 {
			return nil, fmt.Errorf("token ids: %q at position %d is not a token id", f, i)
		}
		ids[i] = int32(id)
	}
	return ids, nil
}

// writeJSON writes v on one line, with < > & as they are and control and format characters escaped, some of which
// encoding/json leaves.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	line, escaped := b.String(), strings.Builder{}
	for _, r := range line {
		if r < 0x7f || unicode.IsGraphic(r) || r > 0xffff {
			escaped.WriteRune(r)
		} else {
			fmt.Fprintf(&escaped, `\u%04x`, r)
		}
	}
	_, err := io.WriteString(w, escaped.String())
	return err
}
