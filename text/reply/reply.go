// Package reply takes the text of an answer apart, while it comes: what the model thinks, what it says, and which tools it calls.
package reply

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

const thinkOpen, thinkClose, args = "<think>", "</think>", "[ARGS]"

// Part is a piece of what an answer is made of: one of its fields is set.
type Part struct {
	Thought string // what stands within <think>
	Text    string
	Call    *Call
}

// Call is a call of a tool.
type Call struct {
	Name      string
	Arguments string // an object in JSON, as the model wrote it
}

// Options say how a text is taken apart.
type Options struct {
	Thinks bool    // what is within <think> at the beginning is a thought
	Opened bool    // the prompt has begun a thought
	Format *Format // of calls; nil: none are looked for
}

// Splitter takes a text apart. A call is given when it is complete: what turns out not to be one is text, so that the parts of
// a text are the same however it is cut.
type Splitter struct {
	options Options
	state   state
	buf     string
	space   string // white space that is left out if a call or nothing follows it
	begun   string // of a call that is not complete: what is text if it is none
	called  bool
	thought bool // something was thought
}

type state int

const (
	beginning state = iota
	thinking
	answering // after a thought or at the beginning: white space is left out
	saying
	calling
)

// New returns a Splitter at the beginning of an answer.
func New(o Options) *Splitter {
	s := &Splitter{options: o}
	switch {
	case o.Thinks && o.Opened:
		s.state = thinking
	case !o.Thinks:
		s.state = saying
		if o.Format != nil && o.Format.bare {
			s.state = beginning
		}
	}
	return s
}

// Thinking reports whether a thought has begun and not ended.
func (s *Splitter) Thinking() bool { return s.state == thinking }

// Push takes the next piece and returns the parts that are certain.
func (s *Splitter) Push(text string) []Part {
	s.buf += text
	return s.parts(false)
}

// Flush returns what was held back, when no more text comes.
func (s *Splitter) Flush() []Part { return s.parts(true) }

func (s *Splitter) parts(end bool) (parts []Part) {
	for {
		before, rest := s.state, len(s.buf)
		parts = append(parts, s.step(end)...)
		if s.state == before && len(s.buf) == rest {
			return merged(parts)
		}
	}
}

// step does the next thing that the buffer allows. It changes the state or shortens the buffer, or there is nothing to do.
func (s *Splitter) step(end bool) []Part {
	switch s.state {
	case beginning:
		return s.begin(end)
	case thinking:
		return s.think(end)
	case answering:
		s.buf = strings.TrimLeft(s.buf, " \t\r\n")
		if s.buf != "" {
			s.state = saying
			if f := s.options.Format; f != nil && f.bare && s.buf[0] == '{' {
				s.state, s.begun = calling, ""
			}
		}
		return nil
	case saying:
		return s.say(end)
	}
	return s.call(end)
}

// begin decides whether the answer begins with a thought or a call.
func (s *Splitter) begin(end bool) []Part {
	text := strings.TrimLeft(s.buf, " \t\r\n")
	switch f := s.options.Format; {
	case s.options.Thinks && strings.HasPrefix(text, thinkOpen):
		s.buf, s.state = text[len(thinkOpen):], thinking
	case s.options.Thinks && !end && strings.HasPrefix(thinkOpen, text) || text == "" && !end:
	case f != nil && f.bare && strings.HasPrefix(text, "{"):
		s.begun = s.buf[:len(s.buf)-len(text)]
		s.buf, s.state = text, calling
	default:
		s.state = saying
	}
	return nil
}

// think passes on a thought until its end.
func (s *Splitter) think(end bool) []Part {
	if !s.thought { // the line break behind <think>
		s.buf = strings.TrimLeft(s.buf, "\r\n")
		if s.buf == "" {
			return nil
		}
		s.thought = true
	}
	if i := strings.Index(s.buf, thinkClose); i >= 0 {
		thought := s.space + s.buf[:i]
		s.space, s.buf, s.state = "", s.buf[i+len(thinkClose):], answering
		return thoughts(strings.TrimRight(thought, "\r\n"))
	}
	safe := s.buf
	if !end {
		safe = s.buf[:len(s.buf)-overlap(s.buf, thinkClose)]
	}
	s.buf = s.buf[len(safe):]
	text := s.space + safe
	safe = strings.TrimRight(text, "\r\n")
	s.space = text[len(safe):]
	return thoughts(safe)
}

func thoughts(s string) []Part {
	if s == "" {
		return nil
	}
	return []Part{{Thought: s}}
}

// say passes on text until a call begins.
func (s *Splitter) say(end bool) []Part {
	f := s.options.Format
	if f == nil {
		text := s.buf
		s.buf = ""
		return said(text)
	}
	if i := strings.Index(s.buf, f.open); i >= 0 {
		text := s.space + s.buf[:i]
		kept := strings.TrimRight(text, " \t\r\n")
		s.space, s.begun = "", text[len(kept):]+f.open
		s.buf, s.state = s.buf[i+len(f.open):], calling
		s.called = false
		return said(kept)
	}
	safe := s.buf
	if !end {
		safe = s.buf[:len(s.buf)-overlap(s.buf, f.open)]
	}
	s.buf = s.buf[len(safe):]
	text := s.space + safe
	safe = strings.TrimRight(text, " \t\r\n")
	s.space = text[len(safe):]
	if end && !s.called {
		safe, s.space = text, ""
	}
	return said(safe)
}

func said(s string) []Part {
	if s == "" {
		return nil
	}
	return []Part{{Text: s}}
}

// call passes on calls until their end. What is none is text, with what began it.
func (s *Splitter) call(end bool) []Part {
	f := s.options.Format
	i := 0
	for i < len(s.buf) && strings.ContainsRune(" \t\r\n"+f.skip, rune(s.buf[i])) && !strings.HasPrefix(s.buf[i:], f.open) {
		if s.called && !end && s.buf[i] == f.open[0] && strings.HasPrefix(f.open, s.buf[i:]) {
			return nil
		}
		i++
	}
	rest := s.buf[i:]
	switch {
	case s.called && strings.HasPrefix(rest, f.open):
		s.buf, s.begun = rest[len(f.open):], f.open
		return nil
	case rest == "" && !end:
		return nil
	case rest == "": // the end of the calls, or of the answer
		s.state = saying
		if s.called {
			s.buf = ""
			return nil
		}
		return s.giveUp()
	case f.close != "" && strings.HasPrefix(rest, f.close) && s.called:
		s.buf, s.state, s.begun = rest[len(f.close):], saying, ""
		return nil
	case !end && (f.close != "" && strings.HasPrefix(f.close, rest) || s.called && strings.HasPrefix(f.open, rest)):
		return nil
	}
	name := ""
	if f.named && rest[0] != '{' {
		var ok bool
		name, rest, ok = strings.Cut(rest, args)
		sure := name
		if !ok {
			sure = name[:len(name)-overlap(name, args)]
		}
		if len(sure) > 256 || strings.ContainsAny(sure, "\n{}[]\"") || ok && name == "" || !ok && end {
			return s.giveUp()
		}
		if !ok {
			return nil
		}
	}
	if rest == "" && !end {
		return nil
	}
	n := object(rest)
	if n == 0 && !end {
		return nil
	}
	if n <= 0 {
		return s.giveUp()
	}
	c := parse(name, rest[:n])
	if c == nil {
		return s.giveUp()
	}
	s.buf, s.called, s.begun = rest[n:], true, ""
	return []Part{{Call: c}}
}

// giveUp takes what looked like calls for text. The text goes on behind what began them, lest it be looked for again.
func (s *Splitter) giveUp() []Part {
	text := s.begun
	s.begun, s.state = "", saying
	if text == "" && s.buf != "" { // of a bare call, or behind others
		_, n := utf8.DecodeRuneInString(s.buf)
		text, s.buf = s.buf[:n], s.buf[n:]
	}
	return said(text)
}

// object returns the length of the JSON object that s begins with, 0 if it is not complete, -1 if there is none.
func object(s string) int {
	if s == "" || s[0] != '{' {
		return -1
	}
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// parse returns the call that an object writes, or the arguments of one whose name is known; nil if it does not.
func parse(name, text string) *Call {
	if name != "" {
		if !json.Valid([]byte(text)) {
			return nil
		}
		return &Call{strings.TrimSpace(name), text}
	}
	var c struct {
		Name                  string
		Arguments, Parameters json.RawMessage
	}
	if json.Unmarshal([]byte(text), &c) != nil || c.Name == "" {
		return nil
	}
	arguments := c.Arguments
	if arguments == nil {
		arguments = c.Parameters
	}
	var quoted string
	if json.Unmarshal(arguments, &quoted) == nil && quoted != "" {
		arguments = json.RawMessage(quoted)
	}
	switch {
	case len(arguments) == 0 || string(arguments) == "null":
		arguments = json.RawMessage("{}")
	case arguments[0] != '{' || !json.Valid(arguments):
		return nil
	}
	return &Call{c.Name, string(arguments)}
}

// overlap returns how many bytes at the end of s may be the beginning of mark.
func overlap(s, mark string) int {
	for n := min(len(mark)-1, len(s)); n > 0; n-- {
		if strings.HasSuffix(s, mark[:n]) {
			return n
		}
	}
	return 0
}

// merged joins neighbours of the same kind.
func merged(parts []Part) []Part {
	var out []Part
	for _, p := range parts {
		if n := len(out) - 1; n >= 0 && p.Call == nil && out[n].Call == nil && (p.Text == "") == (out[n].Text == "") {
			out[n].Text += p.Text
			out[n].Thought += p.Thought
		} else {
			out = append(out, p)
		}
	}
	return out
}
