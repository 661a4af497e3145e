// Command quality prints docs/quality.md: what quantization costs, what schedules learn, and what a small hybrid finds. The figures
// come from files that scripts/quality/measure and jamba experiment have written.
//
//	go run ./scripts/quality > docs/quality.md
package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"text/template"

	"jamba/internal/measure/ablation"
	"jamba/internal/measure/bench"
)

//go:embed quality.md.tmpl
var page string

func main() {
	if err := write(os.Stdout, "."); err != nil {
		fmt.Fprintln(os.Stderr, "quality:", err)
		os.Exit(1)
	}
}

// write writes the page, with the results that lie in the repository at root.
func write(w io.Writer, root string) error {
	t, err := template.New("quality").Funcs(template.FuncMap{
		"levels": func(name string) ([]level, error) { return levels(root, name) },
		"table":  table,
		"speed": func(name string) (*bench.Report, error) {
			return read[*bench.Report](root, resultsDir, name+"-speed.json")
		},
		"needle": func() (*found, error) { return read[*found](root, resultsDir, "needle.json") },
		"experiment": func(name string) (*ablation.Results, error) {
			return read[*ablation.Results](root, "experiments", name+".json")
		},
		"learned": (*ablation.Results).Table,
	}).Parse(page)
	if err != nil {
		return err
	}
	return t.Execute(w, nil)
}

const resultsDir = "scripts/quality/results"

// read reads results; nil: there are none yet.
func read[T any](path ...string) (v T, err error) {
	name := filepath.Join(path...)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return v, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		return v, fmt.Errorf("%s: %w", name, err)
	}
	return v, nil
}
