package tokenizer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/internal/testutil"
)

// A golden is a line of goldens.jsonl, written by the reference libraries.
type golden struct {
	Kind               string
	Text               string
	IDs                []int32
	IDsWithSpecial     []int32 `json:"ids_with_special"`
	Decoded            string
	DecodedSkipSpecial string `json:"decoded_skip_special"`

	Unit       string
	Times      int
	Count      int
	Head, Tail []int32
	SHA        string `json:"sha256_int32_le"`

	Prefixes []string
	A, B     string
}

var styles = []string{"jamba-style", "llama2-style", "gpt2-style", "cl100k-style"}

// goldens returns the lines of a style.
func goldens(t testing.TB, style string) []golden {
	return testutil.JSONLines[golden](t, testutil.Golden("tokenizer", style, "goldens.jsonl"))
}

// byteRuns are texts in which a run of byte tokens is not UTF-8, such runs decoded by SentencePiece as a stream decodes them
// (testdata/make_byteruns.py).
func byteRuns(t testing.TB) map[string]map[int][2]string {
	return testutil.JSON[map[string]map[int][2]string](t, "testdata/byteruns.json")
}

// TestStreamedByteRuns compares streams with SentencePiece where a run of byte tokens is not UTF-8.
func TestStreamedByteRuns(t *testing.T) {
	for _, style := range styles {
		tk, lines, n := loadStyle(t, style), goldens(t, style), 0
		for line, texts := range byteRuns(t)[style] {
			g := lines[line-1]
			ids := g.IDs
			if g.Kind == "encode" {
				ids = g.IDsWithSpecial
			}
			for i, skip := range []bool{false, true} {
				if got := streamed(tk, ids, skip); got != texts[i] {
					t.Errorf("%s, line %d: %q, want %q", style, line, got, texts[i])
				}
				n++
			}
		}
		if style == "jamba-style" && n == 0 {
			t.Error("no lines")
		}
	}
}

// streamed decodes ids one by one.
func streamed(tk *Tokenizer, ids []int32, skip bool) string {
	s, text := tk.Stream(skip), ""
	for _, id := range ids {
		text += s.Push(id)
	}
	return text + s.Flush()
}

func loadStyle(t testing.TB, style string) *Tokenizer {
	t.Helper()
	tk, err := Load(testutil.Golden("tokenizer", style))
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

// loadModel loads the style from its tokenizer.model instead of its tokenizer.json.
func loadModel(t testing.TB, style string) *Tokenizer {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"tokenizer.model", "tokenizer_config.json"} {
		data, err := os.ReadFile(testutil.Golden("tokenizer", style, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tk, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

func TestGoldens(t *testing.T) {
	for _, style := range styles {
		t.Run(style, func(t *testing.T) {
			checkGoldens(t, loadStyle(t, style), goldens(t, style))
		})
	}
}

// A tokenizer.model says all that its tokenizer.json does, but for the added tokens: user-defined pieces
// are found by the model itself, and come out the same.
func TestSentencePieceGoldens(t *testing.T) {
	for _, style := range []string{"jamba-style", "llama2-style"} {
		t.Run(style, func(t *testing.T) {
			checkGoldens(t, loadModel(t, style), goldens(t, style))
		})
	}
}

func checkGoldens(t *testing.T, tk *Tokenizer, all []golden) {
	t.Helper()
	counts := map[string]int{}
	for i, g := range all {
		counts[g.Kind]++
		switch g.Kind {
		case "encode":
			if got := encode(t, tk, g.Text, false); !slices.Equal(got, g.IDs) {
				t.Errorf("line %d: Encode(%q) = %v, want %v", i+1, g.Text, got, g.IDs)
			}
			if got := encode(t, tk, g.Text, true); !slices.Equal(got, g.IDsWithSpecial) {
				t.Errorf("line %d: Encode(%q, special) = %v, want %v", i+1, g.Text, got, g.IDsWithSpecial)
			}
			checkDecode(t, i+1, tk, g.IDsWithSpecial, g)
		case "decode":
			checkDecode(t, i+1, tk, g.IDs, g)
		case "encode_repeat":
			checkRepeat(t, i+1, tk, g)
		case "stream":
			checkStream(t, i+1, tk, g)
		case "pair":
			if got := encodePair(t, tk, g.A, g.B, true); !slices.Equal(got, g.IDs) {
				t.Errorf("line %d: EncodePair(%q, %q) = %v, want %v", i+1, g.A, g.B, got, g.IDs)
			}
		default:
			t.Fatalf("line %d: unknown kind %q", i+1, g.Kind)
		}
	}
	for _, kind := range []string{"encode", "decode", "encode_repeat", "stream", "pair"} {
		if counts[kind] == 0 {
			t.Errorf("no lines of kind %q", kind)
		}
	}
}

// encode is Encode for texts that have ids.
func encode(t failer, tk *Tokenizer, text string, special bool) []int32 {
	t.Helper()
	ids, err := tk.Encode(text, special)
	if err != nil {
		t.Fatalf("%.200q: %v", text, err)
	}
	return ids
}

func encodePair(t failer, tk *Tokenizer, a, b string, special bool) []int32 {
	t.Helper()
	ids, err := tk.EncodePair(a, b, special)
	if err != nil {
		t.Fatalf("%.200q, %.200q: %v", a, b, err)
	}
	return ids
}

// failer is a testing.TB or a *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func checkDecode(t *testing.T, line int, tk *Tokenizer, ids []int32, g golden) {
	t.Helper()
	if got := tk.Decode(ids, false); got != g.Decoded {
		t.Errorf("line %d: Decode(%v) = %q, want %q", line, ids, got, g.Decoded)
	}
	if got := tk.Decode(ids, true); got != g.DecodedSkipSpecial {
		t.Errorf("line %d: Decode(%v, skip) = %q, want %q", line, ids, got, g.DecodedSkipSpecial)
	}
}

func checkRepeat(t *testing.T, line int, tk *Tokenizer, g golden) {
	t.Helper()
	ids := encode(t, tk, strings.Repeat(g.Unit, g.Times), false)
	if len(ids) != g.Count || !slices.Equal(ids[:16], g.Head) || !slices.Equal(ids[len(ids)-16:], g.Tail) {
		t.Errorf("line %d: %d times %q: %d ids %v … %v, want %d ids %v … %v", line, g.Times, g.Unit,
			len(ids), ids[:16], ids[len(ids)-16:], g.Count, g.Head, g.Tail)
		return
	}
	var raw []byte
	for _, id := range ids {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(id))
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != g.SHA {
		t.Errorf("line %d: %d times %q: ids differ in the middle", line, g.Times, g.Unit)
	}
}

// checkStream compares what a stream has returned so far with the decode of the ids so far. The stream
// may be behind it where that ends in an incomplete character, and must have caught up where the golden
// has no U+FFFD.
func checkStream(t *testing.T, line int, tk *Tokenizer, g golden) {
	t.Helper()
	s := tk.Stream(true)
	got := ""
	for k, id := range g.IDs {
		got += s.Push(id)
		if !strings.HasPrefix(g.Prefixes[len(g.Prefixes)-1], got) {
			t.Fatalf("line %d: after %d ids the stream has %q, which is no beginning of %q", line, k+1, got, g.Prefixes[len(g.Prefixes)-1])
		}
		stable := strings.TrimRight(strings.Split(g.Prefixes[k], "\uFFFD")[0], "\uFFFD")
		if _, isByte := byteToken(tk.tokens[id].text); !isByte && got != stable {
			t.Errorf("line %d: after %d ids the stream has %q, want %q", line, k+1, got, stable)
		}
	}
	got += s.Flush()
	if want := g.Prefixes[len(g.Prefixes)-1]; got != want {
		t.Errorf("line %d: the stream adds up to %q, want %q", line, got, want)
	}
}
