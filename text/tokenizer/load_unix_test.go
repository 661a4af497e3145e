//go:build unix

package tokenizer

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"jamba/internal/testutil"
)

// What is no regular file is refused in the place of each file, and none is waited for.
func TestLoadSpecialFiles(t *testing.T) {
	for _, name := range []string{"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"} {
		for kind, put := range map[string]func(path string) error{
			"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
			"directory": func(path string) error { return os.Mkdir(path, 0o700) },
			"device":    func(path string) error { return os.Symlink("/dev/zero", path) },
		} {
			dir := t.TempDir()
			if name != "tokenizer.json" && name != "tokenizer.model" {
				data, err := os.ReadFile(testutil.Golden("tokenizer", "gpt2-style", "tokenizer.json"))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := put(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), name+": is no file") {
				t.Errorf("%s for %s: error %v", kind, name, err)
			}
		}
	}
}
