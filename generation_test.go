package jamba

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/internal/testutil"
)

// folder returns a folder with the model of the end-to-end goldens, in which files have other contents.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} {
		if _, ok := files[name]; ok {
			continue
		}
		b, err := os.ReadFile(testutil.Golden("e2e", "model", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func openFolder(t *testing.T, files map[string]string) *Model {
	t.Helper()
	m, err := Open(folder(t, files))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// answer continues a text whose most likely tokens are " again", " pero", "ely", …, and returns the tokens, their text
// and the reason for the end.
func answer(t *testing.T, m *Model, o Options) (ids []int32, text, finish string) {
	t.Helper()
	for p, err := range m.Generate(context.Background(), "Seven tree green,", o) {
		if err != nil {
			t.Fatal(err)
		}
		if text += p.Text; p.Finish == "" {
			ids = append(ids, p.ID)
		}
		finish = string(p.Finish)
	}
	return ids, text, finish
}

const (
	again = 1449
	pero  = 2604
	ely   = 920
	eos   = 2 // <|endoftext|>, of config.json and the tokenizer
)

func TestDefaults(t *testing.T) {
	testutil.SkipRace(t, "settings are read by one goroutine")
	sampling := func(s Sampling) Options { return Options{Sampling: s} }
	for _, test := range []struct {
		name, generation string
		want             Options
		stops            []int32
	}{
		{"nothing", `{}`, Options{}, []int32{eos}},
		{"eos", `{"eos_token_id": 920}`, Options{}, []int32{ely, eos}},
		{"eos list", `{"eos_token_id": [920, 2604]}`, Options{}, []int32{ely, pero, eos}},
		{"eos with the tokenizer's", `{"eos_token_id": [2, 920]}`, Options{}, []int32{eos, ely}},
		{"eos null", `{"eos_token_id": null}`, Options{}, []int32{eos}},
		{"max new tokens", `{"max_new_tokens": 7, "max_length": 20}`, Options{MaxTokens: 7}, []int32{eos}},
		{"negative max new tokens", `{"max_new_tokens": -1}`, Options{}, []int32{eos}},
		{"repetition penalty", `{"repetition_penalty": 1.5}`, sampling(Sampling{RepetitionPenalty: 1.5}), []int32{eos}},
		{"sample", `{"do_sample": true}`, sampling(Sampling{Temperature: 1, TopK: 50}), []int32{eos}},
		{
			"sample with all", `{"do_sample": true, "temperature": 0.6, "top_k": 9, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.1}`,
			sampling(Sampling{Temperature: 0.6, TopK: 9, TopP: 0.9, MinP: 0.05, RepetitionPenalty: 1.1}),
			[]int32{eos},
		},
		{"sample from all", `{"do_sample": true, "temperature": 0.6, "top_k": 0}`, sampling(Sampling{Temperature: 0.6}), []int32{eos}},
		{"sample at 0", `{"do_sample": true, "temperature": 0}`, sampling(Sampling{TopK: 50}), []int32{eos}},
		{"no sampling", `{"temperature": 0.6, "top_k": 9, "top_p": 0.9, "min_p": 0.05}`, Options{}, []int32{eos}},
		{"sampling forbidden", `{"do_sample": false, "temperature": 0.6}`, Options{}, []int32{eos}},
		{"stop string", `{"stop_strings": "\n\n"}`, Options{Stop: []string{"\n\n"}}, []int32{eos}},
		{"stop strings", `{"stop_strings": ["Q:", "\n"]}`, Options{Stop: []string{"Q:", "\n"}}, []int32{eos}},
		{"stop strings null", `{"stop_strings": null}`, Options{}, []int32{eos}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := openFolder(t, map[string]string{"generation_config.json": test.generation})
			if diff := diffOptions(test.want, m.Defaults()); diff != "" {
				t.Errorf("defaults (-want +got):\n%s", diff)
			}
			if !slices.Equal(m.ends, test.stops) {
				t.Errorf("answers end with tokens %v, want %v", m.ends, test.stops)
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		m := openFolder(t, nil)
		if diff := diffOptions(Options{}, m.Defaults()); diff != "" || !slices.Equal(m.ends, []int32{eos}) {
			t.Errorf("stops %v, defaults (-want +got):\n%s", m.ends, diff)
		}
	})
}

// TestDefaultsEndAnswers asserts that answers end as generation_config.json says.
func TestDefaultsEndAnswers(t *testing.T) {
	for _, test := range []struct {
		name, generation string
		bias             map[int32]float64
		ids              []int32
		text, finish     string
	}{
		{"max new tokens", `{"max_new_tokens": 2}`, nil, []int32{again, pero}, " again pero", "length"},
		{"eos", `{"max_new_tokens": 9, "eos_token_id": 920}`, nil, []int32{again, pero}, " again pero", "stop"},
		{"eos list", `{"max_new_tokens": 9, "eos_token_id": [920, 2604]}`, nil, []int32{again}, " again", "stop"},
		{"the tokenizer's eos", `{"max_new_tokens": 9, "eos_token_id": 920}`, map[int32]float64{eos: 1000}, nil, "", "stop"},
		{"stop string", `{"max_new_tokens": 9, "stop_strings": "oe"}`, nil, []int32{again, pero, ely}, " again per", "stop"},
		{"stop strings", `{"max_new_tokens": 9, "stop_strings": ["never", "oe"]}`, nil, []int32{again, pero, ely}, " again per", "stop"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := openFolder(t, map[string]string{"generation_config.json": test.generation})
			o := m.Defaults()
			o.LogitBias = test.bias
			ids, text, finish := answer(t, m, o)
			if !slices.Equal(ids, test.ids) || text != test.text || finish != test.finish {
				t.Errorf("tokens %v, %q, finish %q; want %v, %q, %q", ids, text, finish, test.ids, test.text, test.finish)
			}
		})
	}
}

// TestTokenizerEndsAnswers uses a tokenizer whose end token is not config.json's: both end an answer.
func TestTokenizerEndsAnswers(t *testing.T) {
	b, err := os.ReadFile(testutil.Golden("e2e", "model", "tokenizer_config.json"))
	if err != nil {
		t.Fatal(err)
	}
	m := openFolder(t, map[string]string{"tokenizer_config.json": strings.Replace(string(b), `"eos_token": "<|endoftext|>"`, `"eos_token": "<|eom|>"`, 1)})
	eom, ok := m.text.Tokenizer.ID("<|eom|>")
	if !ok || eom == eos || !slices.Equal(m.ends, []int32{eos, eom}) {
		t.Fatalf("answers end with tokens %v, want %v", m.ends, []int32{eos, eom})
	}
	for _, id := range m.ends {
		if ids, _, finish := answer(t, m, Options{MaxTokens: 3, Sampling: Sampling{LogitBias: map[int32]float64{id: 1000}}}); len(ids) != 0 || finish != "stop" {
			t.Errorf("token %d does not end an answer: %v, finish %q", id, ids, finish)
		}
	}
}

// TestByteOrderMarks asserts that a folder whose texts begin with one is the same model.
func TestByteOrderMarks(t *testing.T) {
	files := map[string]string{}
	for _, name := range []string{"config.json", "tokenizer.json", "tokenizer_config.json"} {
		b, err := os.ReadFile(testutil.Golden("e2e", "model", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = "\ufeff" + string(b)
	}
	ids, _, _ := answer(t, openFolder(t, nil), Options{MaxTokens: 3})
	if got, _, _ := answer(t, openFolder(t, files), Options{MaxTokens: 3}); !slices.Equal(got, ids) {
		t.Errorf("tokens %v, without the marks %v", got, ids)
	}
}

// TestSettingsOfOtherTypes asserts that what can be set again keeps nobody from an answer, and that numbers are read as the
// reference's JSON reads them.
func TestSettingsOfOtherTypes(t *testing.T) {
	m := openFolder(t, map[string]string{"generation_config.json": "\ufeff" + `{
		"do_sample": "yes", "temperature": "0.7", "top_k": "many", "top_p": [0.9], "min_p": "\u001b[2J", "repetition_penalty": {}, "max_new_tokens": 1.5,
		"stop_strings": ["a", 7], "eos_token_id": [920.0, 2604]}`})
	warnings := strings.Join(m.Warnings(), "\n")
	for _, want := range []string{
		`do_sample "yes" is passed over, want true or false`, `temperature "0.7" is passed over, want a number`, `top_k "many" is passed over, want a whole number`,
		"top_p [0.9] is", "min_p", "repetition_penalty {} is", "max_new_tokens 1.5 is passed over, want a whole number", `stop_strings ["a", 7] is passed over, want a text or a list of texts`,
	} {
		if !strings.Contains(warnings, "generation_config.json: "+want) {
			t.Errorf("no warning %s in\n%s", want, warnings)
		}
	}
	if diff := diffOptions(Options{}, m.Defaults()); diff != "" || !slices.Equal(m.ends, []int32{ely, pero, eos}) {
		t.Errorf("answers end with %v, defaults (-want +got):\n%s", m.ends, diff)
	}
	m = openFolder(t, map[string]string{"generation_config.json": `{"do_sample": true, "temperature": 1e0, "top_k": 5e1, "max_new_tokens": 100.0, "eos_token_id": 920.0}`})
	want := Options{MaxTokens: 100, Sampling: Sampling{Temperature: 1, TopK: 50}}
	if diff := diffOptions(want, m.Defaults()); diff != "" || !slices.Equal(m.ends, []int32{ely, eos}) || len(m.Warnings()) != 0 {
		t.Errorf("answers end with %v, warnings %q, defaults (-want +got):\n%s", m.ends, m.Warnings(), diff)
	}
}

func TestBadGenerationConfig(t *testing.T) {
	testutil.SkipRace(t, "settings are read by one goroutine")
	for _, test := range []struct{ generation, want string }{
		{`{"do_sample":`, "unexpected end of JSON input"},
		{`[]`, "want a JSON object"},
		{`{"eos_token_id": "end"}`, `eos_token_id is "end", want a token id or a list of them`},
		{`{"eos_token_id": [[7]]}`, "eos_token_id is [[7]], want"},
	} {
		dir := folder(t, map[string]string{"generation_config.json": test.generation})
		m, err := Open(dir)
		if err == nil {
			m.Close()
		}
		if file := filepath.Join(dir, "generation_config.json"); err == nil || !strings.HasPrefix(err.Error(), file+": ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %s and %q", test.generation, err, file, test.want)
		}
	}
}
