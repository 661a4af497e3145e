package tokenizer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"jamba/internal/testutil"
)

// unsupported are the types of components in random.jsonl.gz that are refused by name.
var unsupportedTypes = []string{
	"WordLevel", "Unigram", "WordPiece", "BertNormalizer", "Nmt", "BertPreTokenizer", "UnicodeScripts", "CharDelimiterSplit", "FixedLength",
	"BPEDecoder", "CTC", "BertProcessing", "RobertaProcessing",
}

// randomCase is a line that testdata/make_random.py wrote.
type randomCase struct {
	File   map[string]json.RawMessage
	Encode [][3]json.RawMessage
	Decode [][3]json.RawMessage
	Error  string
}

// Random files give the ids and the texts of the reference library, or are refused for a type that is known not to be
// supported.
func TestRandomFiles(t *testing.T) {
	testutil.SkipRace(t, testutil.OneGoroutine)
	models, cases := randomCases(t, "testdata/random.jsonl.gz")
	typeOf := regexp.MustCompile(`type "(\w+)" is not supported`)
	refused, agreed := map[string]int{}, 0
	for i, c := range cases {
		raw := marshal(t, c.File)
		tk, err := FromJSON(raw, Config{})
		var found string
		for _, kind := range unsupportedTypes {
			if regexp.MustCompile(`"type":\s*"` + kind + `"`).Match(raw) {
				found = kind
			}
		}
		if found != "" || err != nil {
			var kind string
			if err != nil {
				if m := typeOf.FindStringSubmatch(err.Error()); m != nil {
					kind = m[1]
				}
			}
			if !slices.Contains(unsupportedTypes, kind) && c.Error == "" {
				t.Errorf("case %d: error %v, unsupported type %q", i, err, found)
			}
			refused[kind]++
			continue
		}
		agreed++
		fail := func(format string, args ...any) {
			file := map[string]json.RawMessage{}
			for k, v := range c.File {
				if k != "model" && string(v) != "null" {
					file[k] = v
				}
			}
			t.Errorf("case %d: %s\n%s", i, fmt.Sprintf(format, args...), marshal(t, file))
		}
		for _, e := range c.Encode {
			text := unmarshalTo[string](t, e[0])
			for k, special := range []bool{false, true} {
				want := unmarshalTo[[]int32](t, e[1+k])
				if got, err := tk.Encode(text, special); err != nil || !slices.Equal(got, want) {
					fail("Encode(%q, %v) = %q, error %v, want %q", text, special, spell(tk, got), err, spell(tk, want))
				}
			}
		}
		for _, d := range c.Decode {
			ids := unmarshalTo[[]int32](t, d[0])
			for k, skip := range []bool{false, true} {
				if got, want := tk.Decode(ids, skip), unmarshalTo[string](t, d[1+k]); got != want {
					fail("Decode(%q, %v) = %q, want %q", spell(tk, ids), skip, got, want)
				}
			}
		}
	}
	_ = models
	if agreed < len(cases)*3/5 || len(refused) < 10 {
		t.Errorf("only %d of %d files are compared; refused %v", agreed, len(cases), refused)
	}
	t.Logf("%d of %d files agree; refused %v", agreed, len(cases), refused)
}

func randomCases(t *testing.T, path string) (models map[string]json.RawMessage, cases []randomCase) {
	t.Helper()
	lines := bufio.NewScanner(testutil.Gzip(t, path))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		if models == nil {
			models = unmarshalTo[struct{ Models map[string]json.RawMessage }](t, lines.Bytes()).Models
			continue
		}
		c := unmarshalTo[randomCase](t, lines.Bytes())
		// The model names the vocabulary and merges that many files share.
		model := unmarshalTo[map[string]json.RawMessage](t, c.File["model"])
		var name string
		if json.Unmarshal(model["vocab"], &name) == nil {
			for k, v := range unmarshalTo[map[string]json.RawMessage](t, models[name]) {
				model[k] = v
			}
			c.File["model"] = marshal(t, model)
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return models, cases
}
