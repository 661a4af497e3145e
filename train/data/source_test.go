package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// show returns a line for each document and for what went wrong, with file names instead of paths.
func show(s Sources) []string {
	var lines []string
	s.Corrupt = func(err error) { lines = append(lines, "skipped "+err.Error()) }
	for d, err := range s.Documents {
		switch {
		case err != nil:
			lines = append(lines, "error "+err.Error())
		case d.Chat != nil:
			lines = append(lines, fmt.Sprintf("%s chat %q", d.Place, contents(d.Chat)))
		case d.IDs != nil:
			lines = append(lines, fmt.Sprintf("%s ids %v %v", d.Place, d.IDs, d.Labels))
		default:
			lines = append(lines, fmt.Sprintf("%s %q", d.Place, d.Text))
		}
	}
	for i, l := range lines {
		for _, path := range s.Paths {
			l = strings.ReplaceAll(l, filepath.Dir(path)+string(filepath.Separator), "")
		}
		lines[i] = l
	}
	return lines
}

func expect(t *testing.T, s Sources, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, show(s)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestText(t *testing.T) {
	const text = "\n\none\ntwo\n\n\n  \nthree\r\n\r\nfour<|endoftext|>\nfive\n"
	path := write(t, "a.txt", text)
	expect(t, Sources{Paths: []string{path}}, fmt.Sprintf("a.txt:1 %q", text))
	expect(t, Sources{Paths: []string{path}, Split: SplitBlank},
		`a.txt:3 "one\ntwo"`, `a.txt:7 "  \nthree"`, `a.txt:10 "four<|endoftext|>\nfive"`)
	expect(t, Sources{Paths: []string{path, path}, Split: SplitEnd},
		`a.txt:3 "one\ntwo\n\n\n  \nthree\r\n\r\nfour"`, `a.txt:11 "five"`, `a.txt:3 "one\ntwo\n\n\n  \nthree\r\n\r\nfour"`, `a.txt:11 "five"`)
	expect(t, Sources{Paths: []string{write(t, "empty.txt", "")}})
	expect(t, Sources{Paths: []string{write(t, "blank.txt", " \n\n")}, Split: SplitBlank})
}

const lines = `{"text": "one", "more": [1]}

{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}], "text": null}
{"input_ids": [1, 2, 3]}
{"input_ids": [1, 2, 3], "labels": [-100, 2, -100]}
{"text": ""}
{"text": 7}
{"text": "cut
[1]
{"other": "x"}
{"messages": []}
{"input_ids": [1, 2], "labels": [1]}
{"input_ids": [1, 2], "labels": [1, 3]}
{"input_ids": [99999999999]}
{"text": "last"}`

func TestJSONLines(t *testing.T) {
	path := write(t, "a.jsonl", lines)
	first := []string{
		`a.jsonl:1 "one"`, `a.jsonl:3 chat ["Hi" "Hello"]`, `a.jsonl:4 ids [1 2 3] []`, `a.jsonl:5 ids [1 2 3] [-100 2 -100]`,
	}
	bad := []string{
		"a.jsonl:7: text: found a JSON number, want a string",
		"a.jsonl:8: unexpected end of JSON input",
		"a.jsonl:9: found a JSON array, want an object",
		"a.jsonl:10: none of input_ids (and labels), messages, conversations, prompt and completion, instruction and output (and input), text, or content is there; the fields are other",
		"a.jsonl:11: chat: messages: empty, want at least one message",
		"a.jsonl:12: 1 labels for 2 input_ids",
		"a.jsonl:13: labels[1] is 3, want -100 or the id that stands there, 2",
		"a.jsonl:14: input_ids: found a JSON number 99999999999, want a list of token ids",
	}
	expect(t, Sources{Paths: []string{path}}, append(first[:4:4], "error "+bad[0])...)
	want := first[:4:4]
	for _, b := range bad {
		want = append(want, "skipped "+b)
	}
	expect(t, Sources{Paths: []string{path}, SkipCorrupt: true}, append(want, `a.jsonl:15 "last"`)...)
}

func TestCompressed(t *testing.T) {
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	_, err := w.Write([]byte(lines))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := show(Sources{Paths: []string{write(t, "a.jsonl", lines)}, SkipCorrupt: true})
	for name, content := range map[string]string{"a.jsonl.gz": gz.String(), "a.jsonl.zst": string(z.EncodeAll([]byte(lines), nil))} {
		got := show(Sources{Paths: []string{write(t, name, content)}, SkipCorrupt: true})
		for i := range got {
			got[i] = strings.ReplaceAll(got[i], name, "a.jsonl")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
		// What is cut short gives no half document.
		cut := Sources{Paths: []string{write(t, "a.txt"+filepath.Ext(name), content[:len(content)-9])}, PlainText: true}
		if got := show(cut); len(got) != 1 || !strings.HasPrefix(got[0], "error a.txt"+filepath.Ext(name)+":") {
			t.Errorf("%s cut: %q", name, got)
		}
		expect(t, Sources{Paths: []string{write(t, "a.jsonl.gz", "this is no gzip at all")}, SkipCorrupt: true}, "skipped a.jsonl.gz: gzip: invalid header")
	}
}

func TestParquet(t *testing.T) {
	file := func(name string) []string { return []string{filepath.Join("testdata", name)} }
	var want []string
	for i := range 40 {
		want = append(want, fmt.Sprintf("%%s: row %d %q", i+1, fmt.Sprintf("Text %d, naïve 中文.", i)))
	}
	for _, name := range []string{"text.parquet", "snappy.parquet"} {
		expect(t, Sources{Paths: file(name)}, strings.Split(strings.ReplaceAll(strings.Join(want, "|"), "%s", name), "|")...)
	}
	want = nil
	for i := range 20 {
		want = append(want, fmt.Sprintf(`chat.parquet: row %d chat ["Question %d?" "Answer %d."]`, i+1, i, i))
	}
	want[3] = "skipped chat.parquet: row 4: messages[1].content: null, want a string or a number"
	expect(t, Sources{Paths: file("chat.parquet"), SkipCorrupt: true}, want...)
	if got := show(Sources{Paths: file("other.parquet")}); len(got) != 1 || !strings.Contains(got[0], "text, or content is there") || !strings.Contains(got[0], "body") {
		t.Error(got)
	}
	// Whatever a file holds, it is an error or documents.
	whole, err := os.ReadFile(file("text.parquet")[0])
	if err != nil {
		t.Fatal(err)
	}
	// The footer's length is not believed: 4 GB would be allocated for it.
	for _, b := range [][]byte{append(bytes.Clone(whole[:len(whole)-5]), 0xff, 'P', 'A', 'R', '1'), whole[len(whole)-8:], []byte("PAR1")} {
		if got := show(Sources{Paths: []string{write(t, "a.parquet", string(b))}}); len(got) != 1 || !strings.Contains(got[0], "asks for a footer of") && !strings.Contains(got[0], "no Parquet file") {
			t.Error(got)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		b := bytes.Clone(whole[:rapid.IntRange(0, len(whole)).Draw(rt, "length")])
		if rapid.Bool().Draw(rt, "whole") {
			b = bytes.Clone(whole)
		}
		for range rapid.IntRange(0, 5).Draw(rt, "changes") {
			if len(b) > 0 {
				b[rapid.IntRange(0, len(b)-1).Draw(rt, "at")] = rapid.Byte().Draw(rt, "byte")
			}
		}
		show(Sources{Paths: []string{write(t, "a.parquet", string(b))}, SkipCorrupt: true})
	})
}

func TestInvalidUTF8(t *testing.T) {
	jsonl, text := write(t, "a.jsonl", "{\"text\": \"a\xffb\"}\n{\"text\": \"c\"}"), write(t, "a.txt", "x\n\né\xc3\n\ny")
	expect(t, Sources{Paths: []string{jsonl}}, "error a.jsonl:1: byte 11, 0xff, is not valid UTF-8")
	expect(t, Sources{Paths: []string{text}, Split: SplitBlank, SkipCorrupt: true},
		`a.txt:1 "x"`, "skipped a.txt:3: byte 2, 0xc3, is not valid UTF-8", `a.txt:5 "y"`)
	expect(t, Sources{Paths: []string{jsonl, text}, ReplaceUTF8: true}, `a.jsonl:1 "a�b"`, `a.jsonl:2 "c"`, `a.txt:1 "x\n\né�\n\ny"`)
}

func TestNoFiles(t *testing.T) {
	dir := t.TempDir()
	expect(t, Sources{}, "error no files are named")
	expect(t, Sources{Paths: []string{dir}}, "error "+filepath.Base(dir)+": is a folder; name the files in it")
	expect(t, Sources{Paths: []string{"x"}, Split: "lines"}, `error split "lines" is not known; file, blank and endoftext are`)
	for _, err := range (&Sources{Paths: []string{filepath.Join(dir, "none.txt")}}).Documents {
		if !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
}

// Lines come as they are, whatever the buffer, and long ones are passed over.
func TestReadLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []string
		for _, n := range rapid.SliceOf(rapid.IntRange(0, 60)).Draw(t, "lengths") {
			want = append(want, strings.Repeat("a", n))
		}
		r := bufio.NewReaderSize(strings.NewReader(strings.Join(want, "\n")), 16)
		if len(want) > 0 && want[len(want)-1] == "" {
			want = want[:len(want)-1]
		}
		for i, line := range want {
			got, err := readLine(r, 41)
			end := 1
			if i == len(want)-1 && len(line) > 0 {
				end = 0 // nothing is known of whether an end follows
			}
			if len(line)+end > 41 && len(line) != 41 {
				if !errors.Is(err, errTooLong) {
					t.Fatalf("line of %d: %v", len(line), err)
				}
			} else if len(line) != 41 && (err != nil || string(got) != line) {
				t.Fatalf("%q: got %q, %v", line, got, err)
			}
		}
		if _, err := readLine(r, 41); err == nil {
			t.Fatal("no end")
		}
	})
}

func TestProgress(t *testing.T) {
	path := write(t, "a.txt", strings.Repeat("text\n\n", 100_000))
	last, calls := int64(0), 0
	s := Sources{Paths: []string{path, filepath.Join("testdata", "text.parquet")}, Split: SplitBlank, Progress: func(done, total int64) {
		if done < last || done > total {
			t.Fatalf("%d of %d after %d", done, total, last)
		}
		if last, calls = done, calls+1; done == total {
			last = -1
		}
	}}
	for _, err := range s.Documents {
		if err != nil {
			t.Fatal(err)
		}
	}
	if last != -1 || calls < 10 {
		t.Errorf("%d calls, the last at %d", calls, last)
	}
}
