package tokenizer

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A decoder is one step from tokens to text.
type decoder interface {
	// start returns the step's entrance; what comes out goes to next. With fused set the tokens pushed
	// are parts of a single one.
	start(next sink, fused bool) sink
	// fuses tells whether what comes out is a single token in parts.
	fuses() bool
	// bytes is what the step makes of a token that stands in the middle of a text.
	bytes(token string, fused bool) string
}

// A mapSink applies a function to every token.
type mapSink struct {
	f    func(string) string
	next sink
}

func (m mapSink) push(s string) { m.next.push(m.f(s)) }
func (m mapSink) flush()        { m.next.flush() }

// replaceDecoder puts content in the place of every match within a token.
type replaceDecoder struct {
	pattern pattern
	content string
}

func (d replaceDecoder) start(next sink, fused bool) sink {
	if !fused {
		return mapSink{d.replace, next}
	}
	if l, ok := d.pattern.(literal); ok {
		return &replaceSink{old: string(l), new: d.content, next: next}
	}
	return &gatherSink{next: mapSink{d.replace, next}}
}
func (d replaceDecoder) fuses() bool                   { return false }
func (d replaceDecoder) bytes(s string, _ bool) string { return d.replace(s) }

// replace leaves a token as it is when the regular expression takes too long, which reading the file has ruled out for
// the tokens of the vocabulary.
func (d replaceDecoder) replace(s string) string {
	if l, ok := d.pattern.(literal); ok {
		return strings.ReplaceAll(s, string(l), d.content) // how much it grows was looked at, too
	}
	b := newBudget(len(s))
	if out := replaceAll(s, d.pattern, d.content, b); !b.failed() {
		return out
	}
	return s
}

// replaceSink replaces a string that may come in parts.
type replaceSink struct {
	old, new string
	next     sink
	tail     string // the end of the text so far, while it begins an old
}

func (r *replaceSink) push(s string) {
	s = r.tail + s
	out, done := "", 0
	if i := strings.LastIndex(s, r.old); i >= 0 {
		// Matches are taken from the left: the last one replaced need not be the last in s.
		done = lastMatchEnd(s, r.old)
		out = strings.ReplaceAll(s[:done], r.old, r.new)
	}
	keep := overlap(s[done:], r.old)
	r.tail = strings.Clone(s[len(s)-keep:])
	if out += s[done : len(s)-keep]; out != "" {
		r.next.push(out)
	}
}

func (r *replaceSink) flush() {
	if r.tail != "" {
		r.next.push(r.tail)
		r.tail = ""
	}
	r.next.flush()
}

// lastMatchEnd returns the end of the last of the matches of old found from the left.
func lastMatchEnd(s, old string) (end int) {
	literal(old).each(s, nil, func(_, hi int) { end = hi })
	return end
}

// overlap returns the length of the longest proper prefix of old that s ends with.
func overlap(s, old string) int {
	for n := min(len(s), len(old)-1); n > 0; n-- {
		if strings.HasSuffix(s, old[:n]) {
			return n
		}
	}
	return 0
}

// byteFallbackDecoder turns byte tokens into text. The reference makes U+FFFD of every byte of a run in which one is wrong:
// nothing could be said before a run is over. A stream gives a rune once its bytes are complete, and U+FFFD for each byte
// that is part of none, as SentencePiece does; the two differ in such runs alone.
type byteFallbackDecoder struct {
	runs  bool // decode runs as the reference does
	whole bool // the next step has to see a run as one token
}

func (d byteFallbackDecoder) start(next sink, fused bool) sink {
	b := &byteFallbackSink{byteFallbackDecoder: d, next: next}
	if fused {
		return &gatherSink{next: b}
	}
	return b
}
func (d byteFallbackDecoder) fuses() bool { return false }
func (d byteFallbackDecoder) bytes(s string, _ bool) string {
	if b, ok := byteToken(s); ok {
		return string([]byte{b})
	}
	return s
}

type byteFallbackSink struct {
	byteFallbackDecoder
	next sink
	held []byte          // the run, or the beginning of a rune
	run  strings.Builder // what became of the bytes before, if it is held back, too
}

func (f *byteFallbackSink) push(s string) {
	b, ok := byteToken(s)
	if !ok {
		f.end()
		f.next.push(s)
		return
	}
	f.held = append(f.held, b)
	for !f.runs && len(f.held) > 0 && utf8.FullRune(f.held) {
		f.release()
	}
}

// release passes on the first rune of what is held, or U+FFFD for the first byte.
func (f *byteFallbackSink) release() {
	r, n := utf8.DecodeRune(f.held)
	if f.whole {
		f.run.WriteRune(r)
	} else {
		f.next.push(string(r))
	}
	f.held = slices.Delete(f.held, 0, n)
}

// end passes on what is held.
func (f *byteFallbackSink) end() {
	if f.runs {
		f.endRun()
		return
	}
	for len(f.held) > 0 {
		f.release()
	}
	if f.run.Len() > 0 {
		f.next.push(f.run.String())
		f.run.Reset()
	}
}

// endRun passes on the run: the text it is, or U+FFFD for every byte.
func (f *byteFallbackSink) endRun() {
	if utf8.Valid(f.held) {
		if len(f.held) > 0 {
			f.next.push(string(f.held))
		}
	} else {
		for range f.held {
			f.next.push("\uFFFD")
		}
	}
	f.held = f.held[:0]
}

func (f *byteFallbackSink) flush() {
	f.end()
	f.next.flush()
}

// fuseDecoder makes one token of all.
type fuseDecoder struct{}

func (fuseDecoder) start(next sink, _ bool) sink  { return next }
func (fuseDecoder) fuses() bool                   { return true }
func (fuseDecoder) bytes(s string, _ bool) string { return s }

// byteLevelDecoder reads byte characters.
type byteLevelDecoder struct{}

func (d byteLevelDecoder) start(next sink, fused bool) sink {
	m := mapSink{fromByteChars, &validSink{next: next}}
	if fused {
		return &gatherSink{next: m}
	}
	return m
}
func (byteLevelDecoder) fuses() bool                   { return true }
func (byteLevelDecoder) bytes(s string, _ bool) string { return fromByteChars(s) }

// metaspaceDecoder turns the visible character back into spaces; in the first token it is dropped when
// one was put in front of the text.
type metaspaceDecoder struct {
	replacement string
	scheme      prependScheme
}

func (d metaspaceDecoder) start(next sink, fused bool) sink {
	return &metaspaceSink{metaspaceDecoder: d, next: next, first: true, fused: fused}
}
func (d metaspaceDecoder) fuses() bool { return false }
func (d metaspaceDecoder) bytes(s string, _ bool) string {
	return strings.ReplaceAll(s, d.replacement, " ")
}

type metaspaceSink struct {
	metaspaceDecoder
	next         sink
	first, fused bool
}

func (m *metaspaceSink) push(s string) {
	if m.first && m.scheme != prependNever {
		m.next.push(strings.ReplaceAll(s, m.replacement, ""))
	} else {
		m.next.push(strings.ReplaceAll(s, m.replacement, " "))
	}
	m.first = m.fused // all parts belong to the first token
}
func (m *metaspaceSink) flush() { m.next.flush() }

// joinDecoder stands for the decoder of a file that has none: tokens are joined with spaces.
type joinDecoder struct{}

func (joinDecoder) start(next sink, _ bool) sink  { return &joinSink{next: next} }
func (joinDecoder) fuses() bool                   { return true }
func (joinDecoder) bytes(s string, _ bool) string { return s }

type joinSink struct {
	next  sink
	begun bool
}

func (j *joinSink) push(s string) {
	if j.begun {
		j.next.push(" ")
	}
	j.begun = true
	j.next.push(s)
}
func (j *joinSink) flush() { j.next.flush() }
