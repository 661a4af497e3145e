package jamba_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba"
	"jamba/embedded"
	"jamba/internal/testutil"
)

const city = `{
	"type": "object",
	"properties": {
		"name": {"type": "string", "minLength": 1, "maxLength": 12},
		"kind": {"enum": ["town", "city", "village"]},
		"people": {"type": "integer", "minimum": 1, "maximum": 9999},
		"near": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]{1,5}$"}, "minItems": 1, "maxItems": 2}
	},
	"required": ["name", "kind", "near"],
	"additionalProperties": false
}`

// TestFormat samples answers at a high temperature, which are JSON of the schema, many at once.
func TestFormat(t *testing.T) {
	for _, path := range []string{path, embedded.Model} {
		t.Run(filepath.Base(path), func(t *testing.T) { formats(t, path) })
	}
}

func formats(t *testing.T, path string) {
	m, err := jamba.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	check := testutil.Schema(t, city)
	errs := make(chan error)
	n := 12
	if testutil.Race {
		n = 4
	}
	for seed := range uint64(n) {
		go func() {
			text := ""
			o := jamba.Options{Sampling: jamba.Sampling{Temperature: 1.5, Seed: &seed}, MaxTokens: 400, Format: jamba.JSONSchema([]byte(city)), Lookup: seed%2 == 0}
			for p, err := range m.Generate(context.Background(), "One day a girl", o) {
				if err != nil {
					errs <- err
					return
				}
				if text += p.Text; p.Finish != "" && p.Finish != jamba.FinishStop {
					errs <- fmt.Errorf("%s: %q", p.Finish, text)
					return
				}
			}
			errs <- check(text)
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestFormatOnlyMasks expects the log-probabilities of an answer of a format to be those of the model, and each token to be the most
// likely one of those that begin a choice.
func TestFormatOnlyMasks(t *testing.T) {
	m, err := jamba.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	choices := []string{" to the park.", " to the sea", " elephant"}
	prompt, err := m.Tokenize("She went")
	if err != nil {
		t.Fatal(err)
	}
	text, ended := "", false
	o := jamba.Options{Format: jamba.Choice(choices...), Logprobs: true}
	for p, err := range m.GenerateIDs(context.Background(), prompt, o) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Finish != "" {
			ended = p.Finish == jamba.FinishStop
			break
		}
		var logits []float32
		free := jamba.Options{MaxTokens: 1, Mask: func(_ []int32, l []float32) { logits = slices.Clone(l) }}
		for _, err := range m.GenerateIDs(context.Background(), prompt, free) {
			if err != nil {
				t.Fatal(err)
			}
		}
		best, sum := int32(-1), 0.0
		for id, l := range logits {
			sum += math.Exp(float64(l))
			longer := text + string(m.Text().Tokenizer.TokenBytes(int32(id)))
			if m.Text().Tokenizer.IsSpecial(int32(id)) || longer == text || !slices.ContainsFunc(choices, func(c string) bool { return strings.HasPrefix(c, longer) }) {
				continue
			}
			if best < 0 || l > logits[best] {
				best = int32(id)
			}
		}
		if want := float64(logits[p.ID]) - math.Log(sum); p.ID != best || math.Abs(p.Logprob.Logprob-want) > 1e-4 {
			t.Errorf("after %q: token %d of log-probability %v, want %d of %v", text, p.ID, p.Logprob.Logprob, best, want)
		}
		prompt = append(slices.Clone(prompt), p.ID)
		text += string(m.Text().Tokenizer.TokenBytes(p.ID))
	}
	if !ended || !slices.Contains(choices, text) {
		t.Errorf("%q, ended %v", text, ended)
	}
}

// TestFormatErrors expects an answer of a format that cannot be held to to be an error, and so is one that may not end.
func TestFormatErrors(t *testing.T) {
	m, err := jamba.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	bad := jamba.JSONSchema([]byte(`{"properties":{"a":{"not":{}}}}`))
	for want, o := range map[string]jamba.Options{
		"the JSON schema: /properties/a/not is not supported": {Format: bad},
		"IgnoreEnds": {Format: jamba.JSONObject(), IgnoreEnds: true},
	} {
		var last error
		for _, err := range m.Generate(context.Background(), "a", o) {
			last = err
		}
		if last == nil || !strings.Contains(last.Error(), want) {
			t.Errorf("%v, want %s", last, want)
		}
	}
	if err := m.CheckFormat(context.Background(), bad); err == nil {
		t.Error("CheckFormat has no error")
	}
	if err := m.CheckFormat(context.Background(), jamba.Format{}); err != nil {
		t.Error(err)
	}
}

// An answer that a program can read: JSON of a schema.
func ExampleJSONSchema() {
	m, err := jamba.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	schema := `{"type":"object","properties":{"animal":{"enum":["dog","cat"]},"old":{"type":"boolean"}},"required":["animal","old"],"additionalProperties":false}`
	text := ""
	for piece, err := range m.Generate(context.Background(), "Tim had a dog.", jamba.Options{Format: jamba.JSONSchema([]byte(schema))}) {
		if err != nil {
			log.Fatal(err)
		}
		text += piece.Text
	}
	var pet struct {
		Animal string
		Old    bool
	}
	if err := json.Unmarshal([]byte(text), &pet); err != nil {
		log.Fatal(err)
	}
	fmt.Println(pet.Animal, pet.Old)
	// Output: dog true
}
