package tokenizer

import "strings"

// stripDecoder removes a character from the ends of every token, up to a number of times.
type stripDecoder struct {
	content     string // one character
	left, right int    // how many at most
}

func (d stripDecoder) start(next sink, fused bool) sink {
	if fused {
		return &stripSink{content: d.content, left: d.left, right: d.right, next: next}
	}
	return mapSink{d.strip, next}
}
func (d stripDecoder) fuses() bool { return false }

func (d stripDecoder) bytes(s string, fused bool) string {
	if fused {
		return s // it is the whole text that is stripped
	}
	return d.strip(s)
}

func (d stripDecoder) strip(s string) string {
	for n := d.left; n > 0 && strings.HasPrefix(s, d.content); n-- {
		s = s[len(d.content):]
	}
	for n := d.right; n > 0 && strings.HasSuffix(s, d.content); n-- {
		s = s[:len(s)-len(d.content)]
	}
	return s
}

// spmDecoder writes "▁" as a space, but not one that SentencePiece put before the text: at the beginning of the first
// token, or of every token until there is some text.
type spmDecoder struct{ once, all bool }

func (d spmDecoder) start(next sink, _ bool) sink {
	return &spmSink{spmDecoder: d, next: next, begins: d.once || d.all}
}
func (d spmDecoder) fuses() bool { return false }
func (d spmDecoder) bytes(s string, _ bool) string {
	return strings.ReplaceAll(s, metaChar, " ")
}

type spmSink struct {
	spmDecoder
	next   sink
	begins bool
}

func (d *spmSink) push(s string) {
	if d.begins {
		rest := strings.TrimPrefix(s, metaChar)
		d.begins = rest == "" && (d.all || rest == s)
		s = rest
	}
	if s != "" {
		d.next.push(strings.ReplaceAll(s, metaChar, " "))
	}
}
func (d *spmSink) flush() { d.next.flush() }

// stripSink strips a text that comes in parts: it keeps back the characters that may be at its end.
type stripSink struct {
	content     string
	left, right int
	held        int // number of characters kept back, at most right
	next        sink
}

func (t *stripSink) push(s string) {
	for t.left > 0 && s != "" {
		if !strings.HasPrefix(s, t.content) {
			t.left = 0
			break
		}
		s = s[len(t.content):]
		t.left--
	}
	if s == "" {
		return
	}
	body := s
	n := 0
	for n < t.right && strings.HasSuffix(body, t.content) {
		body = body[:len(body)-len(t.content)]
		n++
	}
	if body != "" { // what was kept back is not at the end
		t.release(t.held)
		t.next.push(body)
		t.held = n
		return
	}
	t.release(t.held + n - t.right)
	t.held = min(t.held+n, t.right)
}

// release passes on n of the characters kept back.
func (t *stripSink) release(n int) {
	if n > 0 {
		t.next.push(strings.Repeat(t.content, n))
	}
}

func (t *stripSink) flush() { t.next.flush() }
