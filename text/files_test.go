package text

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "[a-b]*")
	if names, err := Files(dir); err != nil || len(names) != 0 {
		t.Error(names, err)
	}
	want := []string{"tokenizer.json", "chat_template.jinja", filepath.Join("additional_chat_templates", "rag.jinja")}
	for _, name := range append(want, "config.json", filepath.Join("additional_chat_templates", "notes.txt")) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := Files(dir); err != nil || !slices.Equal(names, want) {
		t.Error(names, err)
	}
}
