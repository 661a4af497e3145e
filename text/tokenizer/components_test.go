package tokenizer

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"jamba/internal/testutil"
)

// TestComponents compares every supported component, alone and in combinations, with the reference
// library's results (testdata/make_components.py).
func TestComponents(t *testing.T) {
	testutil.SkipRace(t, testutil.OneGoroutine)
	type fields = map[string]json.RawMessage
	lines := testutil.JSONLines[fields](t, "testdata/components.jsonl")
	base, runs := lines[0], byteRuns(t)
	for _, line := range lines[1:] {
		var c struct {
			name       string
			set, model fields
			encode     [][]json.RawMessage
			decode     [][]json.RawMessage
			pair       []int32
		}
		for key, dst := range map[string]any{"name": &c.name, "set": &c.set, "model": &c.model, "encode": &c.encode, "decode": &c.decode, "pair": &c.pair} {
			unmarshal(t, line[key], dst)
		}
		t.Run(c.name, func(t *testing.T) {
			var model fields
			unmarshal(t, base["model"], &model)
			maps.Copy(model, c.model)
			file := maps.Clone(base)
			maps.Copy(file, c.set)
			file["model"] = marshal(t, model)
			tk, err := FromJSON(marshal(t, file), Config{})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range c.encode {
				var text string
				var ids, withSpecial []int32
				unmarshal(t, e[0], &text)
				unmarshal(t, e[1], &ids)
				unmarshal(t, e[2], &withSpecial)
				if got := encode(t, tk, text, false); !slices.Equal(got, ids) {
					t.Errorf("Encode(%q) = %v %q, want %v %q", text, got, spell(tk, got), ids, spell(tk, ids))
				}
				if got := encode(t, tk, text, true); !slices.Equal(got, withSpecial) {
					t.Errorf("Encode(%q, special) = %v, want %v", text, got, withSpecial)
				}
			}
			if got := encodePair(t, tk, "a b", "--", true); !slices.Equal(got, c.pair) {
				t.Errorf("EncodePair = %v, want %v", got, c.pair)
			}
			for i, d := range c.decode {
				var ids []int32
				var text, skipped string
				unmarshal(t, d[0], &ids)
				unmarshal(t, d[1], &text)
				unmarshal(t, d[2], &skipped)
				if texts, ok := runs[c.name][i]; ok {
					if a, b := streamed(tk, ids, false), streamed(tk, ids, true); a != texts[0] || b != texts[1] {
						t.Errorf("stream of %q: %q and %q, want %q", spell(tk, ids), a, b, texts)
					}
				}
				if got := tk.Decode(ids, false); got != text {
					t.Errorf("Decode(%q) = %q, want %q", spell(tk, ids), got, text)
				}
				if got := tk.Decode(ids, true); got != skipped {
					t.Errorf("Decode(%q, skip) = %q, want %q", spell(tk, ids), got, skipped)
				}
			}
		})
	}
}

// spell returns the tokens of ids.
func spell(tk *Tokenizer, ids []int32) (out []string) {
	for _, id := range ids {
		text, _ := tk.Token(id)
		out = append(out, text)
	}
	return out
}

func unmarshal(t testing.TB, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
