package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jamba/internal/printable"
	"jamba/internal/testutil"
)

// words is a file of random words between two texts, of about that many MiB.
func words(before string, size int, after string) filler {
	return func(path string) (err error) {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer func() {
			if e := f.Close(); err == nil {
				err = e
			}
		}()
		r := rand.New(rand.NewPCG(1, uint64(size)))
		w := bufio.NewWriterSize(f, 1<<20)
		w.WriteString(before)
		for n := 0; n < size<<20; {
			word := make([]byte, 3+r.IntN(7))
			for i := range word[:len(word)-1] {
				word[i] = 'a' + byte(r.IntN(26))
			}
			word[len(word)-1] = ' '
			w.Write(word)
			n += len(word)
		}
		w.WriteString(after)
		return w.Flush()
	}
}

// talk is a file of one conversation, each answer with some words before it.
func talk(turns int, before string) string {
	var b strings.Builder
	b.WriteString(`{"messages": [`)
	for i := range turns {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `{"role": "user", "content": "Question %d"}, {"role": "assistant", "content": "%sAnswer %d"}`, i, before, i)
	}
	b.WriteString("]}\n")
	return b.String()
}

// onlyLast is a template that shows the reasoning of the last turn alone.
const onlyLast = `{% for m in messages %}{{ m.role }}: {% if loop.last %}{{ m.content }}{% else %}{{ m.content.split('</think>')[-1] }}{% endif %}{% endfor %}`

// hostileTexts are long texts that are refused before much is made of them, and conversations of many turns.
func hostileTexts() []hostileCase {
	train := "jamba train model.yaml x.jsonl -o out --tokenizer m --warmup 0"
	long := map[string]filler{"long.txt": words("", 64, "")}
	dense := map[string]filler{"long.txt": fat(func() string { return strings.Repeat("中文", 10<<20) })}
	cases := []hostileCase{
		{"texts: 900 messages", map[string]filler{"x.jsonl": content(talk(450, ""))}, train, works},
		{"texts: 10,000 messages", map[string]filler{"x.jsonl": content(talk(5000, ""))}, train, either},
		{"texts: 60 messages that were thought about", map[string]filler{"x.jsonl": content(talk(30, "<think>Why?</think>")), "m/chat_template.jinja": content(onlyLast)}, train, either},
	}
	for _, flags := range []string{"", " --raw", " --literal-content", " --json"} {
		cases = append(cases,
			hostileCase{"texts: a prompt of 64 MiB" + flags, long, "jamba run -m m" + flags + " - < long.txt", refused},
			hostileCase{"texts: a prompt of 60 MiB without spaces" + flags, dense, "jamba run -m m" + flags + " - < long.txt", refused},
		)
	}
	return append(cases,
		hostileCase{"texts: a prompt of 64 MiB for a .gguf file", long, "jamba run -m m.gguf - < long.txt", refused},
		hostileCase{"texts: a comparison on the first tokens of 64 MiB", long, "jamba compare -m m m --text long.txt --first 10", either},
	)
}

// TestHostileTexts has the command make tokens of all of long texts: they have the memory that every command has, and 200 ns of
// processor time for each byte.
func TestHostileTexts(t *testing.T) {
	if testutil.Race || testing.Short() {
		t.Skip("takes a minute, and bounds of time and memory say nothing under the race detector")
	}
	base := hostileBase(t)
	train := " -o out --tokenizer m --warmup 0"
	for _, h := range []hostileCase{
		{"a line of 60 MiB", map[string]filler{"x.jsonl": words(`{"text": "`, 60, `"}`)}, "jamba train model.yaml x.jsonl" + train, works},
		{"an item of 60 MiB", map[string]filler{"x.json": words(`[{"text": "`, 60, `"}]`)}, "jamba train model.yaml x.json" + train, works},
		{"a stretch of 60 MiB", map[string]filler{"x.txt": words("", 60, "")}, "jamba train model.yaml x.txt --split blank" + train, works},
		{"a completion of 60 MiB", map[string]filler{"x.jsonl": words(`{"prompt": "Tell", "completion": "`, 60, `"}`)}, "jamba train model.yaml x.jsonl" + train, works},
		{"an answer of 50 MiB", map[string]filler{"x.jsonl": words(`{"messages": [{"role": "user", "content": "Tell"}, {"role": "assistant", "content": "`, 50, `"}]}`)}, "jamba train model.yaml x.jsonl" + train, works},
		{"64 MiB to tokenize", map[string]filler{"x.txt": words("", 64, "")}, "jamba tokenize -m m < x.txt", works},
	} {
		t.Run(h.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			size := base.lay(t, dir, h.files)
			_, stderr, cost := measured(t, dir, strings.Fields(h.run))
			t.Logf("%v, %d MiB", cost.cpu, cost.peak>>20)
			cost.cpu -= time.Duration(size) * 200
			if err := cost.within(size); err != nil {
				t.Errorf("%s: %v", h.run, err)
			}
			if err := h.want.holds(cost.exit, stderr); err != nil {
				t.Errorf("%s: %v\n%s", h.run, err, printable.Cut(stderr, 2000))
			}
		})
	}
}
