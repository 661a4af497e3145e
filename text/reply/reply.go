// Package reply takes the text of an answer apart, while it comes: what the model thinks, what it says, and which tools it calls.
package reply

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

const thinkOpen, thinkClose, args = "<think>", "</think>", "[ARGS]"

// Part is a piece of what an answer is made of: one of Thought, Text, Call and Arguments is set.
type Part struct {
	Thought   string // what stands within <think>
	Text      string
	Call      *Call  // one that begins
	Arguments string // a piece of the arguments of the call that began last: of an object in JSON, as the model wrote it
	Complete  bool   // with Arguments: the last piece. Arguments that have none broke off
}

// Call is a call of a tool.
type Call struct {
	Name string
	Head string // what the model wrote up to the arguments
}

// Options say how a text is taken apart.
type Options struct {
	Thinks bool    // what is within <think> at the beginning is a thought
	Opened bool    // the prompt has begun a thought
	Format *Format // of calls; nil: none are looked for
}

// Splitter takes a text apart. A call begins when its name is known and its arguments, an object, begin; what turns out before that
// not to be one is text. What comes then cannot take it back: the arguments end where they stop being JSON, and what follows is
// text. So the parts of a text are the same however it is cut, but for the pieces in which thoughts, text and arguments come.
type Splitter struct {
	options   Options
	state     state
	cut       string // the beginning of a character
	buf       string
	space     string // white space that is left out if a call or nothing follows it
	begun     string // what is text if it begins no call
	called    bool
	thought   bool // something was thought
	head      head
	arguments scanner
}

type state int

const (
	beginning state = iota
	thinking
	answering // after a thought or at the beginning: white space is left out
	saying
	calling // between calls
	heading // within one, before its arguments
	arguing // within these
	closing // behind them
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
	text = s.cut + text
	n := len(text) - unfinished(text)
	s.cut = text[n:]
	s.buf += text[:n]
	return s.parts(false)
}

// Flush returns what was held back, when no more text comes.
func (s *Splitter) Flush() []Part {
	s.buf += s.cut
	return s.parts(true)
}

// unfinished returns how many bytes at the end of a text are the beginning of a character.
func unfinished(text string) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRuneInString(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

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
		s.buf = strings.TrimLeft(s.buf, blanks)
		if s.buf != "" {
			s.state = saying
			if f := s.options.Format; f != nil && f.bare && s.buf[0] == '{' {
				s.state, s.begun = calling, ""
			}
		}
		return nil
	case saying:
		return s.say(end)
	case calling:
		return s.seek(end)
	case heading:
		return s.heading(end)
	case arguing:
		return s.argue(end)
	}
	return s.leave(end)
}

// begin decides whether the answer begins with a thought or a call.
func (s *Splitter) begin(end bool) []Part {
	text := strings.TrimLeft(s.buf, blanks)
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
	text := s.space + s.buf
	s.space, s.buf = "", ""
	if i, n := f.find(text); i >= 0 {
		kept := strings.TrimRight(text[:i], blanks)
		s.begun, s.buf = text[len(kept):i+n], text[i+n:]
		s.state, s.called = calling, false
		return said(kept)
	}
	if !end {
		n := len(text) - overlap(text, f.open)
		text, s.buf = text[:n], text[n:]
	}
	if end && !s.called {
		return said(text)
	}
	safe := strings.TrimRight(text, blanks)
	s.space = text[len(safe):]
	return said(safe)
}

func said(s string) []Part {
	if s == "" {
		return nil
	}
	return []Part{{Text: s}}
}

// seek looks for the next call, or for the end of the calls. What is none is text, with what began it.
func (s *Splitter) seek(end bool) []Part {
	f := s.options.Format
	i := 0
	for i < len(s.buf) && strings.ContainsRune(blanks+f.skip, rune(s.buf[i])) && !strings.HasPrefix(s.buf[i:], f.open) {
		if s.called && !end && s.buf[i] == f.open[0] && strings.HasPrefix(f.open, s.buf[i:]) {
			return nil
		}
		i++
	}
	rest := s.buf[i:]
	switch {
	case s.called && strings.HasPrefix(rest, f.open):
		s.buf, s.begun = rest[len(f.open):], f.open
	case rest == "" && !end:
	case rest == "" && s.called: // the end of the calls
		s.buf, s.state = "", saying
	case rest == "":
		return s.giveUp()
	case f.close != "" && strings.HasPrefix(rest, f.close) && s.called:
		s.buf, s.state, s.begun = rest[len(f.close):], saying, ""
	case !end && (f.close != "" && strings.HasPrefix(f.close, rest) || s.called && strings.HasPrefix(f.open, rest)):
	case rest[0] == '{':
		s.state, s.head = heading, head{from: i, read: i}
	case f.named:
		return s.seekNamed(i, end)
	default:
		return s.giveUp()
	}
	return nil
}

// seekNamed looks for a name and [ARGS] in front of a call's arguments.
func (s *Splitter) seekNamed(from int, end bool) []Part {
	name, rest, ok := strings.Cut(s.buf[from:], args)
	sure := name
	if !ok {
		sure = name[:len(name)-overlap(name, args)]
	}
	switch {
	case len(sure) > 256 || strings.ContainsAny(sure, "\n{}[]\"") || ok && name == "" || ok && rest != "" && rest[0] != '{' || end && rest == "":
		return s.giveUp()
	case rest == "":
		return nil
	}
	s.head.place = complete // there is nothing around the arguments
	return s.begins(strings.TrimSpace(name), len(s.buf)-len(rest))
}

// head reads the object of a call up to its arguments. It stands in the Splitter's buffer.
type head struct {
	scanner
	from, read int // its beginning, and how much has been read
	mark       int // where the string began that is read
	key, name  string
}

// heading reads on, until a call begins.
func (s *Splitter) heading(end bool) []Part {
	h := &s.head
	for ; h.read < len(s.buf); h.read++ {
		c, before := s.buf[h.read], h.place
		outer := len(h.open) == 1
		if outer && before == value && c == '{' && h.name != "" && (h.key == "arguments" || h.key == "parameters") {
			h.place = comma // behind them
			return s.begins(h.name, h.read)
		}
		if !h.next(c) {
			return s.giveUp()
		}
		switch {
		case h.place == complete:
			h.read++
			return s.whole(s.buf[h.from:h.read])
		case !outer:
		case h.place == quoted && before != quoted && before != escaped && before != unicode:
			h.mark = h.read
		case h.place == colon && before == quoted:
			h.key = unquoted(s.buf[h.mark : h.read+1])
		case h.place == comma && before == quoted && h.key == "name":
			h.name = unquoted(s.buf[h.mark : h.read+1])
		}
	}
	if end {
		return s.giveUp()
	}
	return nil
}

func unquoted(s string) (text string) {
	_ = json.Unmarshal([]byte(s), &text) // it is a string
	return text
}

// begins begins a call, whose arguments stand at a place of the buffer. From here on it is one, whatever comes.
func (s *Splitter) begins(name string, at int) []Part {
	call := &Call{name, s.begun + s.buf[:at]}
	s.buf, s.begun, s.called = s.buf[at:], "", true
	s.state, s.arguments = arguing, scanner{}
	return []Part{{Call: call}}
}

// argue passes on arguments, as long as they are JSON.
func (s *Splitter) argue(end bool) []Part {
	n := 0
	for n < len(s.buf) && s.arguments.place != complete && s.arguments.next(s.buf[n]) {
		n++
	}
	p := Part{Arguments: s.buf[:n], Complete: s.arguments.place == complete}
	s.buf = s.buf[n:]
	switch {
	case p.Complete:
		s.state, s.head.read = closing, 0
	case s.buf != "" || end:
		s.state = calling
	}
	if n == 0 {
		return nil
	}
	return []Part{p}
}

// leave passes over what stands behind arguments in the object of a call.
func (s *Splitter) leave(end bool) []Part {
	h := &s.head
	for h.read < len(s.buf) && h.place != complete && h.next(s.buf[h.read]) {
		h.read++
	}
	switch {
	case h.place == complete:
		s.buf, s.state = s.buf[h.read:], calling
	case h.read < len(s.buf):
		s.state = calling // what stands there is looked at again
	case end:
		s.buf, s.state = "", saying
	}
	return nil
}

// whole takes an object that is complete for a call, if it is one.
func (s *Splitter) whole(text string) []Part {
	name, arguments := parse(text)
	if name == "" {
		return s.giveUp()
	}
	call := &Call{name, s.begun + s.buf[:s.head.from]}
	s.buf, s.state, s.begun, s.called = s.buf[s.head.read:], calling, "", true
	return []Part{{Call: call}, {Arguments: arguments, Complete: true}}
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

// parse returns the call that an object is; no name if it is none.
func parse(text string) (name, arguments string) {
	var c struct {
		Name                  string
		Arguments, Parameters json.RawMessage
	}
	if json.Unmarshal([]byte(text), &c) != nil {
		return "", ""
	}
	raw := c.Arguments
	if raw == nil {
		raw = c.Parameters
	}
	var quoted string
	if json.Unmarshal(raw, &quoted) == nil && quoted != "" {
		raw = json.RawMessage(quoted)
	}
	switch {
	case len(raw) == 0 || string(raw) == "null":
		raw = json.RawMessage("{}")
	case raw[0] != '{' || !json.Valid(raw):
		return "", ""
	}
	return c.Name, string(raw)
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

// kind tells parts apart that are of different kinds.
func kind(p Part) [3]bool { return [3]bool{p.Text != "", p.Thought != "", p.Arguments != ""} }

// merged joins neighbours of the same kind.
func merged(parts []Part) []Part {
	var out []Part
	for _, p := range parts {
		if n := len(out) - 1; n >= 0 && p.Call == nil && kind(p) == kind(out[n]) {
			out[n].Text += p.Text
			out[n].Thought += p.Thought
			out[n].Arguments += p.Arguments
			out[n].Complete = p.Complete
		} else {
			out = append(out, p)
		}
	}
	return out
}
