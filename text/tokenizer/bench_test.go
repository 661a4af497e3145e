package tokenizer

import (
	"strings"
	"testing"
)

// corpus is text of the goldens, long enough to leave the word cache behind.
func corpus(tb testing.TB, style string) string {
	var b strings.Builder
	for _, g := range goldens(tb, style) {
		if g.Kind == "encode" {
			b.WriteString(g.Text)
			b.WriteByte('\n')
		}
	}
	return strings.Repeat(b.String(), 1+(1<<18)/b.Len())
}

func BenchmarkEncode(b *testing.B) {
	for _, style := range styles {
		b.Run(style, func(b *testing.B) {
			tk := loadStyle(b, style)
			text := corpus(b, style)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				encode(b, tk, text, false)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, style := range styles {
		b.Run(style, func(b *testing.B) {
			tk := loadStyle(b, style)
			text := corpus(b, style)
			ids := encode(b, tk, text, false)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tk.Decode(ids, false)
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		loadStyle(b, "cl100k-style")
	}
}
