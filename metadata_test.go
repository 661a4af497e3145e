package jamba

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/format/gguf"
	"jamba/internal/testutil"
	"jamba/quantize"
)

// TestMetadata asserts that a GGUF file asks for the same sampling as the folder it is from, and ends answers alike.
func TestMetadata(t *testing.T) {
	testutil.SkipRace(t, "settings are read by one goroutine")
	for _, generation := range []string{
		`{}`,
		`{"temperature": 0.6, "top_k": 9}`,
		`{"do_sample": true}`,
		`{"do_sample": false, "repetition_penalty": 1.2}`,
		`{"do_sample": true, "temperature": 0.8, "top_k": 0, "top_p": 0.95}`,
		`{"do_sample": true, "temperature": 0.8, "top_k": -1, "min_p": 0.95}`,
		`{"do_sample": true, "temperature": 0.6, "top_k": 9, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.1}`,
		`{"max_new_tokens": 77, "stop_strings": ["User:", "\n\n"], "eos_token_id": 920}`,
		`{"eos_token_id": [920, 2604, 14, 1449, 15, 17]}`,
		`{"eos_token_id": [920, 5000, -1]}`,
		"\ufeff{\"eos_token_id\": null, \"stop_strings\": \"x\"}",
	} {
		t.Run(generation, func(t *testing.T) {
			folder := openFolder(t, map[string]string{"generation_config.json": generation})
			file := openExported(t, folderWith(t, generation), nil)
			if diff := diffOptions(folder.Defaults(), file.Defaults()); diff != "" || folder.Samples() != file.Samples() {
				t.Errorf("of the folder, of the file (-want +got):\n%s", diff)
			}
			if want, got := slices.Sorted(slices.Values(folder.Ends())), slices.Sorted(slices.Values(file.Ends())); !slices.Equal(want, got) {
				t.Errorf("the folder's answers end with %v, the file's with %v", want, got)
			}
		})
	}
}

func folderWith(t *testing.T, generation string) string {
	t.Helper()
	return folder(t, map[string]string{"generation_config.json": generation})
}

// TestMetadataOfOtherTypes asserts that only what ends an answer is an error: the rest can be set again.
func TestMetadataOfOtherTypes(t *testing.T) {
	testutil.SkipRace(t, "settings are read by one goroutine")
	for want, kv := range map[string]gguf.KV{
		"key general.sampling.top_p: ":   {Key: "general.sampling.top_p", Value: "much"},
		"key general.sampling.temp: ":    {Key: "general.sampling.temp", Value: "hot"},
		"key generation.stop_strings: ":  {Key: "generation.stop_strings", Value: "one"},
		"key generation.max_new_tokens:": {Key: "generation.max_new_tokens", Value: float32(3)},
	} {
		m, err := Open(export(t, folder(t, nil), gguf.Metadata{kv}))
		if err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		if diff := diffOptions(Options{}, m.Defaults()); diff != "" || !strings.Contains(strings.Join(m.Warnings(), "\n"), want) {
			t.Errorf("warnings %q, want %s; defaults (-want +got):\n%s", m.Warnings(), want, diff)
		}
		m.Close()
	}
	for want, kv := range map[string]gguf.KV{
		"key generation.eos_token_ids: ":    {Key: "generation.eos_token_ids", Value: "two"},
		"key tokenizer.ggml.fim_pad_token_": {Key: "tokenizer.ggml.fim_pad_token_id", Value: "x"},
	} {
		out := export(t, folder(t, nil), gguf.Metadata{kv})
		if _, err := Open(out); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), out) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, _, err := metadata(folderWith(t, `{"eos_token_id": "x"}`)); err == nil {
		t.Error("no error")
	}
}

// TestOverridden asserts that settings out of range keep no model from being opened, only answers from being made with them.
func TestOverridden(t *testing.T) {
	out := export(t, folder(t, nil), gguf.Metadata{{Key: "general.sampling.temp", Value: float32(-1)}, {Key: "general.sampling.top_p", Value: float32(3)}})
	dir := folderWith(t, `{"do_sample": true, "temperature": -1, "top_p": 3, "top_k": -1}`)
	for _, path := range []string{out, dir} {
		m, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		o := m.Defaults()
		o.MaxTokens = 1
		for _, err := range m.Generate(context.Background(), "Seven", o) {
			if err == nil || !strings.Contains(err.Error(), "temperature is -1") {
				t.Errorf("%s: error %v", path, err)
			}
		}
		if o.Temperature, o.TopP = 0, 0; o.TopK != 0 {
			t.Errorf("top-k %d", o.TopK)
		}
		for _, err := range m.Generate(context.Background(), "Seven", o) {
			if err != nil {
				t.Error(err)
			}
		}
		m.Close()
	}
}

// TestUnheeded expects a warning for settings that would make other answers, and none for those that change nothing.
func TestUnheeded(t *testing.T) {
	for generation, want := range map[string]string{
		`{"num_beams": 1, "typical_p": 1.0, "no_repeat_ngram_size": 0, "bad_words_ids": null, "suppress_tokens": []}`: "",
		`{"num_beams": 4}`: "num_beams 4",
		`{"bad_words_ids": [[5], [6,7]], "transformers_version": "5"}`: "bad_words_ids [[5],[6,7]]",
		`{"no_repeat_ngram_size": 3.0}`:                                "no_repeat_ngram_size 3.0",
		`{"eos_token_id": [2, 9999]}`:                                  "eos_token_id 9999",
	} {
		got := openFolder(t, map[string]string{"generation_config.json": generation}).Warnings()
		if len(got) != min(1, len(want)) || want != "" && !strings.Contains(got[0], want) {
			t.Errorf("%s: warnings %q, want %q", generation, got, want)
		}
	}
}

// metadata returns what quantize makes of a folder's text.
func metadata(dir string) (gguf.Metadata, []int32, error) {
	c, err := checkpoint.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	meta, ends, _, err := quantize.Text(c)
	return meta, ends, err
}

// export writes the folder's model as a GGUF file with more metadata.
func export(t *testing.T, dir string, meta gguf.Metadata) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "model.gguf")
	own, ends, err := metadata(dir)
	if err == nil {
		_, err = quantize.Export(context.Background(), dir, out, quantize.ExportOptions{Recipe: "f32", Text: append(own, meta...), Ends: ends})
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func openExported(t *testing.T, dir string, meta gguf.Metadata) *Model {
	t.Helper()
	m, err := Open(export(t, dir, meta))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// TestEmbedded asserts that bytes in memory, unaligned as go:embed may leave them, answer as their file does.
func TestEmbedded(t *testing.T) {
	path := export(t, folder(t, nil), nil)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for offset := range 3 {
		gguf.Embed("embedded-test", append(make([]byte, offset, offset+len(file)), file...)[offset:])
		for range 2 { // closing one leaves the bytes for the next
			m, err := Open("embedded-test")
			if err != nil {
				t.Fatal(err)
			}
			ids, _, _ := answer(t, m, Options{MaxTokens: 3})
			if m.Close(); !slices.Equal(ids, []int32{again, pero, ely}) {
				t.Errorf("offset %d: tokens %v", offset, ids)
			}
		}
	}
	if gguf.Embed("embedded-test", file[:100]); gguf.Embedded("other") {
		t.Error("what was not embedded is")
	}
	if _, err := Open("embedded-test"); err == nil || !strings.Contains(err.Error(), "embedded-test: ") {
		t.Errorf("error %v", err)
	}
}
