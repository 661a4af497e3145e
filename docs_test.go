package jamba_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"jamba/internal/testutil"
)

// TestUnsupported looks in the sources for the messages that docs/unsupported.md says are printed: for some words of them in
// a row.
func TestUnsupported(t *testing.T) {
	testutil.SkipRace(t, testutil.OneGoroutine)
	var sources strings.Builder
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			var b []byte
			b, err = os.ReadFile(path)
			sources.Write(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(sources.String())
	doc, err := os.ReadFile(filepath.Join("docs", "unsupported.md"))
	if err != nil {
		t.Fatal(err)
	}
	messages := 0
	for line := range strings.Lines(string(doc)) {
		columns := strings.Split(line, " | ")
		if len(columns) != 3 || !strings.HasPrefix(line, "| ") {
			continue
		}
		for _, m := range regexp.MustCompile("`[^`]+`").FindAllString(columns[2], -1) {
			messages++
			if words := strings.Trim(m, "`"); !slices.ContainsFunc(windows(words, min(16, len(words)-2)), func(w string) bool { return strings.Contains(text, w) }) {
				t.Errorf("%s is in no source", m)
			}
		}
	}
	if messages < 50 {
		t.Errorf("only %d messages", messages)
	}
}

// windows returns all parts of s of n bytes.
func windows(s string, n int) (all []string) {
	for i := range len(s) - n + 1 {
		all = append(all, s[i:i+n])
	}
	return all
}
