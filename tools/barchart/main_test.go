package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"b-Q8_0/0.json": `[{"work":"prefill","tokens":512,"depth":0,"batch":1,"threads":2,"tok_per_s":{"min":377,"median":397.4,"max":432},
			"bound":{"kind":"arithmetic","tok_per_s":700},"fraction":0.56,"peak_rss":1500000000,"peer":{"min":170,"median":172,"max":173},"ratio":2.31}]`,
		"b-Q8_0/1.json": `[{"work":"decode","tokens":32,"depth":16384,"batch":8,"tok_per_s":{"min":1,"median":2,"max":3},"bound":{"kind":"memory"},"fraction":0.5}]`,
		"a-BF16/0.json": `[{"work":"decode","tokens":32,"batch":1,"tok_per_s":{"min":1,"median":2,"max":3},"bound":{"kind":"memory"},"fraction":0.5}]`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var table bytes.Buffer
	chart := filepath.Join(dir, "chart.svg")
	if err := run([]string{dir}, chart, &table); err != nil {
		t.Fatal(err)
	}
	want := `| a-BF16 | decode | 2.0 (1.0–3.0) | 50 % of memory |  | | |
| b-Q8_0 | prompt of 512 | 397 (377–432) | 56 % of arithmetic | 1.50 GB | 172 (170–173) | 2.31x |
|  | decode, 8 sequences at depth 16384 | 2.0 (1.0–3.0) | 50 % of memory |  | | |
`
	if !strings.HasSuffix(table.String(), want) {
		t.Errorf("got\n%s\nwant\n%s", &table, want)
	}
	svg, err := os.ReadFile(chart)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"<svg", "a-BF16", "b-Q8_0", "prompt of 512", "llama.cpp", "at depth 16384"} {
		if !bytes.Contains(svg, []byte(text)) {
			t.Errorf("the chart lacks %q", text)
		}
	}
	if err := run([]string{t.TempDir()}, "", &table); err == nil || !strings.Contains(err.Error(), "no folders with .json files") {
		t.Errorf("an empty folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a-BF16", "0.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{dir}, "", &table); err == nil || !strings.Contains(err.Error(), "0.json: ") {
		t.Errorf("a damaged file: %v", err)
	}
}
