package jamba

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jamba/format/gguf"
	"jamba/model"
	"jamba/text"
)

// TestSamplingMetadata asserts that a GGUF file asks for the same sampling as the folder it is from.
func TestSamplingMetadata(t *testing.T) {
	for _, generation := range []string{
		`{}`,
		`{"temperature": 0.6, "top_k": 9}`,
		`{"do_sample": true}`,
		`{"do_sample": true, "temperature": 0.8, "top_k": 0, "top_p": 0.95}`,
		`{"do_sample": true, "temperature": 0.6, "top_k": 9, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.1}`,
	} {
		dir := folder(t, map[string]string{"generation_config.json": generation})
		meta, err := SamplingMetadata(dir)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(openFolder(t, map[string]string{"generation_config.json": generation}).Defaults(), openExported(t, dir, meta).Defaults()); diff != "" {
			t.Errorf("%s: of the folder, of the file (-want +got):\n%s", generation, diff)
		}
	}
}

func TestSamplingMetadataErrors(t *testing.T) {
	for want, kv := range map[string]gguf.KV{
		"key general.sampling.top_p: ":     {Key: samplingTopP, Value: "much"},
		"key general.sampling.temp: ":      {Key: samplingTemp, Value: "hot"},
		"top-k is -3":                      {Key: samplingTopK, Value: int32(-3)},
		"temperature is -1, want 0 to 100": {Key: samplingTemp, Value: float32(-1)},
	} {
		meta := gguf.Metadata{kv}
		if kv.Key != samplingTemp {
			meta = append(meta, gguf.KV{Key: samplingTemp, Value: float32(1)})
		}
		out := export(t, folder(t, nil), meta)
		if _, err := Open(out); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), out) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, err := SamplingMetadata(folder(t, map[string]string{"generation_config.json": `{"do_sample": 1}`})); err == nil {
		t.Error("no error")
	}
}

// export writes the folder's model as a GGUF file with more metadata.
func export(t *testing.T, dir string, meta gguf.Metadata) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "model.gguf")
	words, _, err := text.Export(dir, 4096)
	if err == nil {
		_, err = model.Export(context.Background(), dir, out, model.ExportOptions{Recipe: "f32", Text: append(words, meta...)})
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
