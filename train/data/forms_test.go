package data

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"pgregory.net/rapid"

	"jamba/internal/testutil"
)

// trainedIDs is a document as forms.json has it.
type trainedIDs struct {
	IDs     []int32 `json:"ids"`
	Trained []int   `json:"trained"`
}

func trainedOf(t testing.TB, d *Dataset) (all []trainedIDs) {
	for _, ids := range idsOf(t, d) {
		var one trainedIDs
		for _, id := range ids {
			if id < 0 {
				one.IDs, one.Trained = append(one.IDs, -id-1), append(one.Trained, 0)
			} else {
				one.IDs, one.Trained = append(one.IDs, id), append(one.Trained, 1)
			}
		}
		all = append(all, one)
	}
	return all
}

// Each way to write documents gives what the reference libraries make of it.
func TestForms(t *testing.T) {
	want := testutil.JSON[map[string][]trainedIDs](t, filepath.Join("testdata", "forms.json"))
	for _, name := range slices.Sorted(maps.Keys(want)) {
		o := Options{Tokenizer: testutil.Path("field", "A13", "model"), Sources: Sources{Paths: []string{filepath.Join("testdata", "forms", name)}}}
		if want[name] == nil { // there is nothing in it
			if _, err := Load(t.Context(), t.TempDir(), o); err == nil || !strings.Contains(err.Error(), "no documents") {
				t.Errorf("%s: error %v", name, err)
			}
			continue
		}
		if diff := cmp.Diff(want[name], trainedOf(t, load(t, t.TempDir(), o))); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

const (
	oneText = `{"text": "one"}`
	oneTalk = `{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}`
)

// What a file holds is known by its name and its content, or it is an error that says how it would be.
func TestKinds(t *testing.T) {
	const bom = "\xef\xbb\xbf"
	parquet, err := os.ReadFile(filepath.Join("testdata", "text.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	pairs, err := os.ReadFile(filepath.Join("testdata", "history.parquet")) // testdata/make_history.py
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, content, want string }{
		{"h.parquet", string(pairs), "error h.parquet: the column history holds lists of lists, which are not read from Parquet"},
		{"a.txt", bom + "one", `a.txt:1 "one"`},
		{"a.TXT", "{curly} prose", `a.TXT:1 "{curly} prose"`},
		{"a.txt", "[Illustration: a ship]\n\nChapter 1", `a.txt:1 "[Illustration: a ship]\n\nChapter 1"`},
		{"a.txt", "[1] A note.\n[2] Another.", `a.txt:1 "[1] A note.\n[2] Another."`},
		{"a.txt", "{}", "error a.txt: holds JSON"},
		{"a.txt", "A list of texts\n" + oneText + "\n" + oneText, "error a.txt: holds JSON"},
		{"a.txt", "{\"text\": \"broken\nand prose after it", "error a.txt: holds JSON"},
		{"a.md", "{'text': 'as Python prints it'}\n", "error a.md: holds JSON"},
		{"a.txt", "// a comment\n[{\"text\": \"one\"}]", "error a.txt: holds JSON"},
		{"a.md", "An example:\n" + oneText + "\nis an object.", "a.md:1 " + strconv.Quote("An example:\n"+oneText+"\nis an object.")},
		{"a.txt", "\"quoted\" speech", `a.txt:1 "\"quoted\" speech"`},
		{"book", "one", `book:1 "one"`},
		{"a.md", "# one", `a.md:1 "# one"`},
		{"lines", oneText + "\n" + oneText, `lines: item 1 "one"`},
		{"a.jsonl.1", oneText, `a.jsonl.1: item 1 "one"`},
		{"a.JSONL", oneText, `a.JSONL:1 "one"`},
		{"a.jsonl", bom + oneText + "\n" + bom + oneText, `a.jsonl:1 "one"|a.jsonl:2 "one"`},
		{"a.json", bom + "[" + oneText + "]", `a.json: item 1 "one"`},
		{"a.json", oneText, `a.json: item 1 "one"`},
		{"a.json", "{\n \"text\":\n \"one\"\n}", `a.json: item 1 "one"`},
		{"a.jsonl", "{\n \"text\":\n \"one\"\n}", `a.jsonl: item 1 "one"`},
		{"a.json", `[["x"]]`, "error a.json: item 1: chat: messages[0]: "},
		{"a.json", `[[{"role": "user", "content": "Hi"}]]`, `a.json: item 1 chat ["Hi"]`},
		{"a.json", `{"data": [` + oneTalk + `], "text": 7} ` + oneText, `a.json: item 1 chat ["Hi" "Hello"]|a.json: item 2 "one"`},
		{"a.json", `{"text": "two", "data": [` + oneText + `]}`, `a.json: item 1 "two"`},
		{"a.json", `{"rows": [` + oneText + `]}`, "error a.json: item 1: none of input_ids (and labels), messages, "},
		{"a.json", `[` + oneText + `, ` + oneText + `] trailing`, `a.json: item 1 "one"|a.json: item 2 "one"|error a.json: item 3: invalid character`},
		{"a.json", `[` + oneText + ` ` + oneText + `]`, `a.json: item 1 "one"|error a.json:1: found '{' in the JSON, want one of ",]"`},
		{"a.json", `[` + oneText + `,`, `a.json: item 1 "one"|error a.json:1: the JSON ends within a list`},
		{"a.json", "[\n" + oneText + ",\n{\"text\": \"tw", `a.json: item 1 "one"|error a.json:3: the JSON ends within a value`},
		{"a.json", `{"data": [` + oneText, `a.json: item 1 "one"|error a.json:1: the JSON ends where one of ",]" has to follow`},
		{"a.json", `[7]`, "error a.json: item 1: found a JSON number, want an object"},
		{"a.json", `[null]`, "error a.json: item 1: found a JSON null, want an object"},
		{"a.json", `[{"role": "user", "content": "Hi"}]`, "error a.json: item 1: it is a message and no document; a conversation is a list of them under messages"},
		{"a.json", `[{"chosen": "a", "rejected": "b"}]`, "error a.json: item 1: none of input_ids (and labels), messages, conversations, prompt and completion, instruction and output (and input), text, or content is there; the fields are chosen, rejected"},
		{"a.jsonl", `{"prompt": "a"}`, "error a.jsonl:1: none of "},
		{"a.jsonl", `{"prompt": ["a"], "completion": "b"}`, "error a.jsonl:1: completion: found a JSON string, want a list of messages, as the prompt is"},
		{"a.jsonl", `{"conversations": [{"from": "tool", "value": "x"}]}`, `error a.jsonl:1: messages[0]: it is from "tool"; `},
		{"a.jsonl", `{"conversations": [{"from": "human", "value": "x"}], "system": "Be brief."}`, `a.jsonl:1 chat ["Be brief." "x"]`},
		{"a.jsonl", `{"conversations": [{"from": "system", "value": "No."}, {"from": "human", "value": "x"}], "system": "Be brief."}`, `a.jsonl:1 chat ["No." "x"]`},
		{"a.jsonl", `{"instruction": "b", "output": "B", "system": "S", "history": [["a", "A"], ["c", "C"]]}`, `a.jsonl:1 chat ["S" "a" "A" "c" "C" "b" "B"]`},
		{"a.jsonl", `{"instruction": "b", "output": "B", "history": null}`, `a.jsonl:1 chat ["b" "B"]`},
		{"a.jsonl", `{"instruction": "b", "output": "B", "history": []}`, `a.jsonl:1 chat ["b" "B"]`},
		{"a.jsonl", `{"instruction": "b", "output": "B", "history": [["a"]]}`, `error a.jsonl:1: history[0]: want a pair of texts, an instruction and its answer`},
		{"a.jsonl", `{"instruction": "b", "output": "B", "history": "a"}`, `error a.jsonl:1: history: found a JSON string, want a list of pairs of texts`},
		{"a.jsonl", `{"Text": "a"}`, "error a.jsonl:1: none of "},
		{"a.csv", "text\none", "error a.csv: the ending .csv is not known: .txt, .md, .rst, .tex and .log are plain text, .jsonl, .ndjson and .json hold objects, .parquet rows, all but .parquet perhaps with .gz or .zst; name it so, or say --plain-text"},
		{"a.yaml", "text: one", "error a.yaml: the ending .yaml is not known"},
		{"a.html", "<p>one</p>", "error a.html: the ending .html is not known"},
		{"a.tar.gz", gzipped("text"), "error a.tar.gz: the ending .tar is not known"},
		{"a.pdf", "%PDF-1.7", "error a.pdf: is a PDF file"},
		{"a.docx", "PK\x03\x04", "error a.docx: is a zip file"},
		{"a.txt", "\xff\xfeo\x00n\x00e\x00", "error a.txt: is UTF-16 text"},
		{"a.jsonl", "\xfe\xff\x00{\x00}", "error a.jsonl: is UTF-16 text"},
		{"a.txt", "o\x00n\x00e\x00", "error a.txt: byte 1 is 0: it is UTF-16 or no text"},
		{"a.txt", "version https://git-lfs.github.com/spec/v1\n", "error a.txt: is a Git LFS pointer"},
		{"a.txt", gzipped("one"), `a.txt:1 "one"`},
		{"a.txt.gz", gzipped(bom + "one"), `a.txt.gz:1 "one"`},
		{"a.json.gz", gzipped("[" + oneText + "]"), `a.json.gz: item 1 "one"`},
		{"a.txt", string(parquet), `a.txt: row 1 "Text 0, naïve 中文."`},
		{"a.parquet.gz", gzipped(string(parquet)), "error a.parquet.gz: is Parquet, which is compressed within; unpack it"},
		{"a.parquet", oneText, "error a.parquet: no Parquet file"},
		{"a.txt", "[" + strings.Repeat("7, ", sniffed), "error a.txt: holds JSON"},
		{"a.txt", oneText + "\nand prose", "error a.txt: holds JSON"},
	} {
		got := strings.Join(show(Sources{Paths: []string{write(t, c.name, c.content)}}), "|")
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %.40q: got %s, want %s", c.name, c.content, got, c.want)
		}
	}
	for name, content := range map[string]string{"a.csv": "text\none", "a.txt": oneText, "a.jsonl": "[1]\n"} {
		expect(t, Sources{Paths: []string{write(t, name, content)}, PlainText: true}, fmt.Sprintf("%s:1 %q", name, content))
	}
}

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

// Documents of JSON are found wherever they stand, with brackets and quotes within them, and whatever is between.
func TestJSONReader(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringOf(rapid.RuneFrom([]rune(`ab{}[]",:\\é`+"\n"))), 1, 5).Draw(rt, "texts")
		space := func() string { return rapid.StringOf(rapid.RuneFrom([]rune(" \t\r\n"))).Draw(rt, "space") }
		var items, want []string
		for _, s := range texts {
			items = append(items, fmt.Sprintf(`%s{%s"more"%s:%s[{"x": [1, "]"]}, null],"text":%s}%s`, space(), space(), space(), space(), quote(s), space()))
			if s != "" {
				want = append(want, s)
			}
		}
		content := strings.Join(items, ",")
		switch rapid.IntRange(0, 2).Draw(rt, "form") {
		case 0:
			content = "[" + content + "]"
		case 1:
			content = `{"version": "[1", "train" : [` + content + `], "more": {"data": [7]}}`
		case 2:
			content = strings.Join(items, "\n")
		}
		var got []string
		for d, err := range (&Sources{Paths: []string{write(t, "a.json", content)}}).Documents {
			if err != nil {
				rt.Fatalf("%s: %v", content, err)
			}
			got = append(got, d.Text)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("%q: got %q, want %q", content, got, want)
		}
	})
}

// Whatever a JSON file holds, it is documents or an error.
func TestBrokenJSON(t *testing.T) {
	whole := `[` + oneText + `, {"a": [1, {"b": null}], "text": "x"}, "y"] {"data": [` + oneTalk + `], "x": 1}`
	rapid.Check(t, func(rt *rapid.T) {
		b := []byte(whole)
		for range rapid.IntRange(1, 4).Draw(rt, "changes") {
			b[rapid.IntRange(0, len(b)-1).Draw(rt, "at")] = rapid.SampledFrom([]byte("{}[],:\"\\x1 \n\x00\xff")).Draw(rt, "byte")
		}
		show(Sources{Paths: []string{write(t, "a.json", string(b[:rapid.IntRange(0, len(b)).Draw(rt, "length")]))}, SkipCorrupt: rapid.Bool().Draw(rt, "skip")})
	})
}

// A long document is in memory a few times at most, packed or not, and what is too long is never held.
func TestMemory(t *testing.T) {
	testutil.SkipRace(t, testutil.Bounds)
	const size = 16 << 20
	words := make([]byte, size)
	for i := range words {
		words[i] = "abcdefgh \n"[rand.IntN(10)]
	}
	line := strings.ReplaceAll(string(words), "\n", " ")
	tooLong := `[{"text": "` + strings.Repeat(line, maxLine/size) + `"}, ` + oneText + "]"
	for name, c := range map[string]struct {
		content   string
		documents int
		times     uint64
	}{
		"a.txt": {string(words), 2, 3}, "a.txt.gz": {gzipped(string(words)), 2, 3}, "a.jsonl": {`{"text": "` + line + `"}`, 1, 10},
		"long.json.gz": {gzipped(tooLong), 1, 30},
	} {
		path := write(t, name, c.content)
		c.content = ""
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n := 0
		for _, err := range (&Sources{Paths: []string{path}, SkipCorrupt: true}).Documents {
			if n++; err != nil {
				t.Error(err)
			}
		}
		runtime.ReadMemStats(&after)
		if used := (after.TotalAlloc - before.TotalAlloc) / size; used > c.times || n != c.documents {
			t.Errorf("%s: %d documents, want %d; %d bytes allocated a byte, want %d at most", name, n, c.documents, used, c.times)
		}
	}
}

// A long text comes in parts that are that text, cut between lines, or between characters if there are no lines.
func TestLongText(t *testing.T) {
	for name, text := range map[string]string{
		"lines": strings.Repeat("A line of text, né?\n", longText/8), "no lines": strings.Repeat("né?", longText/2), "short": "One.\n\nTwo.\n",
	} {
		var got strings.Builder
		line := 1
		for d, err := range (&Sources{Paths: []string{write(t, "a.txt", text)}}).Documents {
			if err != nil {
				t.Fatal(name, err)
			}
			if want := fmt.Sprintf("a.txt:%d", line); !strings.HasSuffix(d.Place, want) || len(d.Text) > 2*longText || line > 1 && got.String()[got.Len()-1] != '\n' && name == "lines" {
				t.Errorf("%s: a part of %d bytes at %s, want %s", name, len(d.Text), d.Place, want)
			}
			got.WriteString(d.Text)
			line += strings.Count(d.Text, "\n")
		}
		if got.String() != text {
			t.Errorf("%s: the parts have %d bytes and are not the text of %d", name, got.Len(), len(text))
		}
	}
}

// What was packed to fill the memory is not unpacked; text that is only much alike is.
func TestUnpacked(t *testing.T) {
	for name, want := range map[string]string{"bomb.txt.gz": "unpacks to more than 200 times its size", "bomb.jsonl.gz": "unpacks to more than 200 times its size", "alike.txt.gz": ""} {
		var b strings.Builder
		for i := 0; b.Len() <= 2*muchUnpacked; i++ {
			b.WriteString(strings.Repeat("much the same ", 70))
			if want == "" {
				fmt.Fprintln(&b, i*i)
			}
		}
		var got error
		for _, err := range (&Sources{Paths: []string{write(t, name, gzipped(b.String()))}}).Documents {
			got = err
		}
		if (got == nil) != (want == "") || got != nil && !strings.Contains(got.Error(), want) {
			t.Errorf("%s: %v, want %q", name, got, want)
		}
	}
}

func quote(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return b
}

// Small pieces that would take much memory each are counted before they are read.
func TestManyParts(t *testing.T) {
	const n = 2 << 20
	many := func(s string) string { return strings.Repeat(s+",", n/len(s)) + s }
	for want, line := range map[string]string{
		"it has more than 262144 fields":          `{` + many(`"":1`) + `}`,
		"messages: it has more than 262144 parts": `{"messages": [` + many("{}") + `]}`,
		"tools: it has more than 262144 parts":    `{"messages": [{"role": "user", "content": "x"}], "tools": [` + many("1") + `]}`,
		"prompt: it has more than 262144 parts":   `{"prompt": [` + many("[]") + `], "completion": []}`,
		"2 labels for 2097153 input_ids":          `{"input_ids": [` + many("1") + `], "labels": [1, 1]}`,
	} {
		path := write(t, "a.jsonl", line)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got := show(Sources{Paths: []string{path}})
		runtime.ReadMemStats(&after)
		if len(got) != 1 || !strings.Contains(got[0], want) || after.TotalAlloc-before.TotalAlloc > 256<<20 {
			t.Errorf("%q, %d bytes allocated, want an error with %q", got, after.TotalAlloc-before.TotalAlloc, want)
		}
	}
	// Commas within a text are none.
	if got := show(Sources{Paths: []string{write(t, "a.jsonl", `{"messages": [{"role": "user", "content": "`+strings.Repeat(`,\\\":`, n/4)+`"}]}`)}}); len(got) != 1 || !strings.HasPrefix(got[0], "a.jsonl:1 chat") {
		t.Errorf("%.200q", got)
	}
}
