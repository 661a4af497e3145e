package data

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const evalData = "../../internal/measure/eval/testdata"

func rows(t *testing.T, path string) (all []map[string]any, err error) {
	t.Helper()
	for r, e := range (&Sources{Paths: []string{path}}).Rows {
		if e != nil {
			return all, e
		}
		all = append(all, r.Fields)
	}
	return all, nil
}

// TestRowsOfParquet compares lists, structs in lists and in structs, and booleans in both encodings with what pyarrow has of them.
func TestRowsOfParquet(t *testing.T) {
	got, err := rows(t, filepath.Join(evalData, "nested.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(evalData, "nested.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want []map[string]any
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	for _, r := range want { // what is null within is there, without a value
		if r["talk"] == nil {
			r["talk"] = []any{}
		}
		if deep, ok := r["deep"].(map[string]any); !ok || deep["a"] == nil {
			r["deep"] = map[string]any{"a": map[string]any{"b": nil}}
		}
	}
	for i := range want {
		if x, y := fmt.Sprint(want[i]), fmt.Sprint(got[i]); x != y {
			t.Errorf("row %d: %s, want %s", i, y, x)
		}
	}
	for _, name := range []string{"booleans-v1.parquet", "booleans-v2.parquet"} {
		got, err := rows(t, filepath.Join(evalData, name))
		if err != nil || len(got) != 9 {
			t.Fatal(err, len(got))
		}
		for i, r := range got {
			if diff := cmp.Diff(map[string]any{"question": "q", "passage": "p", "answer": i%3 == 0}, r); diff != "" {
				t.Errorf("%s row %d: %s", name, i, diff)
			}
		}
	}
}

// TestRowsOfJSON asserts what is no row, by file and line.
func TestRowsOfJSON(t *testing.T) {
	for _, test := range []struct{ name, content, want string }{
		{"a.jsonl", "{\"a\": 1}\n\n{\"a\": \"x\", \"b\": [true, null, 1.5]}\n", `[{"a":1},{"a":"x","b":[true,null,1.5]}]`},
		{"a.json", `[{"a": 1}, {"a": 2}]`, `[{"a":1},{"a":2}]`},
		{"a.json", `{"data": [{"a": 1}]}`, `[{"a":1}]`},
		{"a.jsonl", "{\"a\": 1}\n{\"a\": \n{\"a\": 3}\n", "a.jsonl:2: the JSON ends within the object"},
		{"a.jsonl", "{\"a\": 1}\n[1]\n", "a.jsonl:2: found a JSON array, want an object"},
		{"a.jsonl", "{\"a\": 1}\nnull\n", "a.jsonl:2: found a JSON null"},
		{"a.jsonl", "{\"a\": 1}\n{\"a\": 1} x\n", "a.jsonl:2: there is more after the object"},
		{"a.jsonl", "{\"a\": 1}\n{\"a\": \"\xff\"}\n", "a.jsonl:2: byte 7, 0xff, is not valid UTF-8"},
		{"a.jsonl", "{\"a\": 1}\n{\"a\": " + strings.Repeat("[", 20000) + "\n", "a.jsonl:2: "},
		{"a.jsonl", "{\"a\": [" + strings.Repeat("1,", 1<<20) + "1]}\n", "a.jsonl:1: it has more than "},
		{"a.txt", "plain", "a.txt: holds plain text"},
		{"a.parquet", "PAR1 and no more", "a.parquet: "},
	} {
		path := filepath.Join(t.TempDir(), test.name)
		if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := rows(t, path)
		if err != nil {
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%.40q: error %v, want %s", test.content, err, test.want)
			}
			continue
		}
		if b, _ := json.Marshal(got); string(b) != test.want {
			t.Errorf("%.40q: %s, want %s", test.content, b, test.want)
		}
	}
}
