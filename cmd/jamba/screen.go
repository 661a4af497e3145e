package main

import (
	"io"
	"os"
	"strings"

	"github.com/rivo/uniseg"
	"golang.org/x/term"

	"jamba/internal/printable"
)

// screen writes an answer that comes in pieces. On a terminal lines break between words, of which the last is held back
// until it is whole, and control characters are written out; anything else gets the text as it is.
type screen struct {
	out   io.Writer
	width func() int // columns of the terminal; nil: out is none
	err   error

	held    string // of the last word
	blanks  string // after the word before: written if another word follows in the line
	column  int
	begun   bool // the line has a word
	code    bool // within a fence of ```
	asItIs  bool // the line is not to be broken: code, or a row of a table
	within  bool // the beginning of the word that is held was written before
	written bool
}

func newScreen(w io.Writer) *screen {
	s := &screen{out: w}
	if f, ok := w.(*os.File); ok && isTerminal(w) {
		s.width = func() int {
			// The last column stays free: some terminals break the line when it is filled, others with the next character.
			columns, _, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 0
			}
			return columns - 1
		}
	}
	return s
}

// print writes the next piece.
func (s *screen) print(text string) error {
	if s.width == nil {
		s.write(text)
		return s.err
	}
	s.held += printable.Answer(text)
	for s.held != "" {
		segment, rest, _, _ := uniseg.FirstLineSegmentInString(s.held, -1)
		if rest == "" && !strings.HasSuffix(segment, "\n") {
			s.long() // the word may go on
			break
		}
		s.held = rest
		s.segment(segment)
	}
	return s.err
}

// long writes what is held of a word that is longer than a line, but for its last character.
func (s *screen) long() {
	if uniseg.StringWidth(s.held) <= s.width() {
		return
	}
	word := uniseg.NewGraphemes(s.held)
	last := 0
	for word.Next() {
		last, _ = word.Positions()
	}
	if last > 0 {
		s.word(s.held[:last])
		s.held, s.within = s.held[last:], true
	}
}

// end writes what is held back, and on a terminal ends the line.
func (s *screen) end() error {
	if s.width == nil {
		return s.err
	}
	if s.held != "" {
		s.segment(s.held)
		s.held = ""
	}
	if s.column > 0 || !s.written {
		s.write("\n")
		s.column = 0
	}
	return s.err
}

// segment writes a stretch of text after which the line may be broken.
func (s *screen) segment(text string) {
	word := strings.TrimRight(text, " \t\n")
	blanks, newline := strings.CutSuffix(text[len(word):], "\n")
	if word != "" {
		s.word(word)
	}
	s.within = false
	s.blanks += blanks
	if newline {
		s.newline()
		s.begun, s.asItIs = false, false
	}
}

func (s *screen) newline() {
	s.write("\n")
	s.column, s.blanks = 0, ""
}

func (s *screen) word(word string) {
	if !s.begun {
		fence := strings.HasPrefix(word, "```") || strings.HasPrefix(word, "~~~")
		s.asItIs = fence || s.code || strings.HasPrefix(word, "|")
		s.code = s.code != fence
		s.begun = true
	}
	width, columns := uniseg.StringWidth(word), s.width()
	fits := s.asItIs || columns <= 0 || s.after(s.blanks)+width <= columns
	if !fits && s.column > 0 && !s.within {
		s.newline()
	}
	s.write(s.blanks)
	s.column, s.blanks = s.after(s.blanks), ""
	if fits || !s.within && s.column+width <= columns {
		s.write(word)
		s.column += width
		return
	}
	// Longer than a line.
	for g := uniseg.NewGraphemes(word); g.Next(); s.column += g.Width() {
		if s.column > 0 && s.column+g.Width() > columns {
			s.newline()
		}
		s.write(g.Str())
	}
}

// after returns the column after blanks.
func (s *screen) after(blanks string) int {
	column := s.column
	for _, b := range blanks {
		if column++; b == '\t' {
			column = (column + 7) / 8 * 8
		}
	}
	return column
}

func (s *screen) write(text string) {
	if s.err == nil && text != "" {
		_, s.err = io.WriteString(s.out, text)
		s.written = true
	}
}

// shown returns text as it may be written to w: on a terminal without control characters.
func shown(w io.Writer, text string) string {
	if isTerminal(w) {
		return printable.Answer(text)
	}
	return text
}
