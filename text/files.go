package text

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Files returns the names of the files in a folder in Hugging Face layout that Open makes a tokenizer and chat templates of,
// those that are there, relative to the folder.
func Files(dir string) ([]string, error) {
	names := []string{"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"}
	const templates = "additional_chat_templates"
	entries, err := os.ReadDir(filepath.Join(dir, templates))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".jinja" && !e.IsDir() {
			names = append(names, filepath.Join(templates, e.Name()))
		}
	}
	return slices.DeleteFunc(names, func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return errors.Is(err, fs.ErrNotExist)
	}), nil
}
