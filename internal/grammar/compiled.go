package grammar

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"

	"jamba/internal/bounded"
	"jamba/internal/cachedir"
	"jamba/internal/durable"
)

// generation is to change with the settings that the module is compiled with, of which wazero's file names know nothing.
const generation = "1"

// compiledFiles are the files of what the module compiles to, machine code that is run as it is. So the folder has to be the user's own,
// where others cannot write, and beside each file its SHA-256 stands, without which wazero is not shown it.
type compiledFiles struct {
	cache  wazero.CompilationCache
	dir    string
	sealed []string // paths of those whose sums are right
}

// openCompiled opens the folder, for a version of wazero; "": it is not known. Where there can be none it is an error, which is none to who
// only wants the module.
func openCompiled(version string) (*compiledFiles, error) {
	if version == "" {
		return nil, errors.New("the version of wazero is not known")
	}
	key := sha256.New()
	key.Write(compressed)
	fmt.Fprintf(key, "%s %s", version, generation)
	dir, err := cachedir.Make(fmt.Sprintf("grammar-%x", key.Sum(nil)[:8]))
	if err != nil {
		return nil, err
	}
	c := &compiledFiles{dir: dir}
	if c.cache, err = wazero.NewCompilationCacheWithDir(c.dir); err != nil {
		return nil, err
	}
	inner, _ := filepath.Glob(filepath.Join(c.dir, "wazero-*"))
	if err := cachedir.Private(inner...); err != nil {
		return nil, err
	}
	return c, c.purge()
}

// wazeroVersion returns the version of wazero that the program is built with, "" if it cannot be told: tests do not know theirs.
func wazeroVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == "github.com/tetratelabs/wazero" && m.Replace == nil {
			return m.Version
		}
	}
	return ""
}

// files returns the paths of the files, which wazero names by hashes.
func (c *compiledFiles) files() []string {
	all, _ := filepath.Glob(filepath.Join(c.dir, "wazero-*", "*"))
	return slices.DeleteFunc(all, func(path string) bool { return strings.Contains(filepath.Base(path), ".") })
}

const sumSuffix = ".sha256"

// sum returns the SHA-256 of a file, as it stands beside it.
func sum(path string) ([]byte, error) {
	f, err := bounded.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%x\n", h.Sum(nil)), nil
}

// purge removes files that are not as they were written.
func (c *compiledFiles) purge() error {
	for _, path := range c.files() {
		own, err := sum(path)
		if err == nil {
			if want, err := bounded.ReadFile(path+sumSuffix, 1<<10); err == nil && bytes.Equal(own, want) {
				c.sealed = append(c.sealed, path)
				continue
			}
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// seal notes the sums of new files. Those of which it cannot are compiled again the next time.
func (c *compiledFiles) seal() {
	for _, path := range c.files() {
		if slices.Contains(c.sealed, path) {
			continue
		}
		if own, err := sum(path); err == nil {
			_ = durable.WriteFile(path+sumSuffix, func(f *os.File) error {
				_, err := f.Write(own)
				return err
			})
		}
	}
}
