package tokenizer

import "strings"

// A Stream decodes ids one at a time. The strings it returns, Flush included, add up to what
// [Tokenizer.Decode] makes of all ids, but for runs of byte tokens that are not UTF-8, of which it gives what characters
// there are; each is valid UTF-8. The cost is linear in the number of tokens.
//
// Push keeps back what a later token can still change: the beginning of a rune, also one in byte tokens, and a
// space that may turn out to be at the end of the text.
type Stream struct {
	t           *Tokenizer
	skipSpecial bool
	runs        bool // of byte tokens are decoded as the reference does
	head        sink
	out         strings.Builder
}

// A sink takes text in parts.
type sink interface {
	push(s string)
	flush()
}

// Stream begins decoding a text; skipSpecial leaves special tokens out. A Stream is for one goroutine.
func (t *Tokenizer) Stream(skipSpecial bool) *Stream {
	return t.stream(skipSpecial, false)
}

// WholeStream is Stream whose strings add up to what [Tokenizer.Decode] makes of all ids, always. For that it keeps back runs of
// byte tokens until they end.
func (t *Tokenizer) WholeStream(skipSpecial bool) *Stream {
	return t.stream(skipSpecial, true)
}

func (t *Tokenizer) stream(skipSpecial, runs bool) *Stream {
	s := &Stream{t: t, skipSpecial: skipSpecial, runs: runs}
	s.start()
	return s
}

// start sets up the chain of decoders, built from its end.
func (s *Stream) start() {
	fused := make([]bool, len(s.t.decoders)) // before decoder i all tokens have become one
	for i := 1; i < len(fused); i++ {
		fused[i] = fused[i-1] || s.t.decoders[i-1].fuses()
	}
	s.head = &validSink{next: (*builderSink)(&s.out)}
	for i := len(fused) - 1; i >= 0; i-- {
		d := s.t.decoders[i]
		if b, ok := d.(byteFallbackDecoder); ok {
			b.runs = s.runs
			d = b
		}
		s.head = d.start(s.head, fused[i])
	}
}

// Push adds a token and returns the text that is certain now, which may be empty. An id the vocabulary
// does not have contributes nothing.
func (s *Stream) Push(id int32) string {
	text, ok := s.t.Token(id)
	if !ok || s.skipSpecial && s.t.tokens[id].special {
		return ""
	}
	s.head.push(text)
	return s.take()
}

// Flush returns the text kept back and starts afresh.
func (s *Stream) Flush() string {
	s.head.flush()
	out := s.take()
	s.start()
	return out
}

func (s *Stream) take() string {
	if s.out.Len() == 0 {
		return ""
	}
	out := s.out.String()
	s.out.Reset()
	return out
}

// builderSink is the end of the chain.
type builderSink strings.Builder

func (b *builderSink) push(s string) { (*strings.Builder)(b).WriteString(s) }
func (b *builderSink) flush()        {}

// validSink passes on valid UTF-8 and keeps back the beginning of a rune.
type validSink struct {
	next sink
	tail string
}

func (v *validSink) push(s string) {
	if v.tail != "" {
		s = v.tail + s
	}
	n := len(s) - incomplete(s)
	v.tail = strings.Clone(s[n:])
	if n > 0 {
		v.next.push(toValid(s[:n]))
	}
}

func (v *validSink) flush() {
	if v.tail != "" {
		v.next.push(toValid(v.tail))
		v.tail = ""
	}
	v.next.flush()
}

// gatherSink makes one token of all it gets.
type gatherSink struct {
	next sink
	all  strings.Builder
}

func (g *gatherSink) push(s string) { g.all.WriteString(s) }

func (g *gatherSink) flush() {
	g.next.push(g.all.String())
	g.next.flush()
}
