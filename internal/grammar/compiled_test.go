package grammar

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"jamba/internal/cachedir"
)

// folder sets where the module's files are.
func folder(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "jamba")
	t.Setenv(cachedir.Variable, root)
	return root
}

// loaded loads the module anew, and fails the test unless it is of use.
func loaded(t *testing.T) {
	t.Helper()
	m, err := loadModule(code(t), "v1")
	if err != nil {
		t.Fatal(err)
	}
	defer m.runtime.Close(context.Background())
	v, err := newVocabulary(m, letters(), []int32{0})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	g, err := v.Compile(context.Background(), Regex("ab"))
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
}

func code(t *testing.T) []byte {
	t.Helper()
	b, err := unpacked()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// only returns the one file of the folder, with its contents.
func only(t *testing.T) (string, []byte) {
	t.Helper()
	c, err := openCompiled("v1")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.sealed) != 1 || len(c.files()) != 1 {
		t.Fatalf("%q of %q are right, want one of one", c.sealed, c.files())
	}
	b, err := os.ReadFile(c.sealed[0])
	if err != nil {
		t.Fatal(err)
	}
	return c.sealed[0], b
}

// TestCompiledFiles loads the module again and again: the first time leaves a file, the next reads it, and one that is not as it was left is
// made anew.
func TestCompiledFiles(t *testing.T) {
	folder(t)
	loaded(t)
	path, whole := only(t)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	loaded(t)
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("it was compiled again: %v", err)
	}
	note, err := os.ReadFile(path + sumSuffix)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 1
		return b
	}
	for name, damage := range map[string]func() error{
		"magic":      func() error { return os.WriteFile(path, changed(0), 0o600) },
		"a count":    func() error { return os.WriteFile(path, changed(20), 0o600) },
		"the code":   func() error { return os.WriteFile(path, changed(len(whole)/2), 0o600) },
		"the end":    func() error { return os.WriteFile(path, changed(len(whole)-1), 0o600) },
		"too short":  func() error { return os.WriteFile(path, whole[:len(whole)-9], 0o600) },
		"empty":      func() error { return os.WriteFile(path, nil, 0o600) },
		"another's":  func() error { return os.WriteFile(path, []byte("#!/bin/sh"), 0o600) },
		"no sum":     func() error { return os.Remove(path + sumSuffix) },
		"wrong sum":  func() error { return os.WriteFile(path+sumSuffix, make([]byte, 65), 0o600) },
		"large sum":  func() error { return os.WriteFile(path+sumSuffix, make([]byte, 1<<20), 0o600) },
		"sub-folder": func() error { return errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "a"), 0o700)) },
	} {
		_ = os.MkdirAll(filepath.Dir(path), 0o700)
		for file, b := range map[string][]byte{path: whole, path + sumSuffix: note} {
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		only(t)
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		c, err := openCompiled("v1")
		if err != nil || len(c.files()) != 0 || len(c.sealed) != 0 {
			t.Errorf("%s: %v, %q is taken", name, err, c.files())
		}
	}
	loaded(t)
	only(t)
}

// TestNoCompiledFiles has folders that cannot be used: the module is compiled without.
func TestNoCompiledFiles(t *testing.T) {
	root := folder(t)
	for name, spoil := range map[string]func() error{
		"off":                func() error { t.Setenv(cachedir.Variable, "off"); return nil },
		"a file":             func() error { return os.WriteFile(root, nil, 0o600) },
		"others write in it": func() error { return errors.Join(os.MkdirAll(root, 0o700), os.Chmod(root, 0o777)) },
		"others write below it": func() error {
			_, err := openCompiled("v1")
			all, _ := filepath.Glob(filepath.Join(root, "grammar-*", "wazero-*"))
			return errors.Join(err, os.Chmod(all[0], 0o770))
		},
	} {
		if runtime.GOOS == "windows" && name[:6] == "others" {
			continue
		}
		t.Setenv(cachedir.Variable, root)
		if err := os.RemoveAll(root); err != nil {
			t.Fatal(err)
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := openCompiled("v1"); err == nil {
			t.Errorf("%s: the folder is used", name)
		}
	}
	t.Setenv(cachedir.Variable, root)
	if _, err := openCompiled(""); err == nil {
		t.Error("nobody knows for which version of wazero, and the folder is used")
	}
	t.Setenv(cachedir.Variable, "off")
	loaded(t)
	if all, _ := filepath.Glob(filepath.Join(root, "*", "*", "*")); len(all) > 0 {
		t.Errorf("there are %q", all)
	}
}
