package choice

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"jamba/internal/cachedir"
	"jamba/internal/kernel"
)

// folder sets where records are kept, and has the process know none.
func folder(t *testing.T) string {
	t.Helper()
	if len(kernel.Chosen()) == 0 {
		t.Skipf("%s has nothing to choose", kernel.Tier())
	}
	root := filepath.Join(t.TempDir(), "jamba")
	t.Setenv(cachedir.Variable, root)
	constants := kernel.Chosen()
	t.Cleanup(func() {
		if err := constants.Install(); err != nil {
			t.Error(err)
		}
		clear(known)
	})
	clear(known)
	return root
}

// kept writes a record of another choice than the constants, as if it had been measured, and returns its path.
func kept(t *testing.T) (record, string) {
	t.Helper()
	rows := kernel.Chosen()
	for name := range rows {
		rows[name] = 77
	}
	r := record{here(), "2020-02-29", rows}
	if err := r.write(); err != nil {
		t.Fatal(err)
	}
	path, err := file(r.key)
	if err != nil {
		t.Fatal(err)
	}
	return r, path
}

// TestRoundTrip asserts that what was measured is used by the next process, on this machine.
func TestRoundTrip(t *testing.T) {
	folder(t)
	constants := kernel.Chosen()
	Load()
	if len(known) > 0 || !strings.HasSuffix(InUse(), "; not measured") {
		t.Errorf("an empty folder: %s", InUse())
	}
	r, _ := kept(t)
	Load()
	if got := kernel.Chosen(); !maps.Equal(got, r.Rows) || !strings.HasSuffix(InUse(), " from 77 rows; measured on this machine 2020-02-29") {
		t.Errorf("%s in use, want %v", InUse(), r.Rows)
	}
	// What is known is put in use again, where another choice has been, such as another tier's.
	if err := constants.Install(); err != nil {
		t.Fatal(err)
	}
	Use()
	if got := kernel.Chosen(); !maps.Equal(got, r.Rows) {
		t.Errorf("%v is in use, want %v", got, r.Rows)
	}
}

// TestMeasure asserts that Use measures once and keeps it, with the best kernels only.
func TestMeasure(t *testing.T) {
	root := folder(t)
	Use()
	if !kernel.BestTier() {
		if len(known) > 0 {
			t.Errorf("%s was measured unasked", kernel.Tier())
		}
		Measure()
	}
	measured := kernel.Chosen()
	if !strings.HasSuffix(InUse(), "; measured on this machine "+time.Now().Format(day)) {
		t.Skip("the clock is too coarse, or it is midnight: ", InUse())
	}
	clear(known)
	Load()
	if got := kernel.Chosen(); len(known) != 1 || !maps.Equal(got, measured) {
		t.Errorf("%v was kept, want %v", got, measured)
	}
	all, err := filepath.Glob(filepath.Join(root, "kernels", "*"))
	if err != nil || len(all) != 1 {
		t.Errorf("the folder has %q", all)
	}
}

// TestDamaged asserts that files that are not what was written, or not of this machine, do not count, and are replaced.
func TestDamaged(t *testing.T) {
	folder(t)
	constants := kernel.Chosen()
	whole, path := kept(t)
	changed := func(f func(r *record)) []byte {
		r := whole
		r.Rows = maps.Clone(whole.Rows)
		f(&r)
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty":             {},
		"cut off":           text[:len(text)/2],
		"another's":         []byte("#!/bin/sh"),
		"nothing":           []byte("null"),
		"a list":            []byte("[]"),
		"large":             append([]byte(strings.Repeat(" ", 1<<12)), text...),
		"another version":   changed(func(r *record) { r.Version++ }),
		"another processor": changed(func(r *record) { r.Processor = "Z80" }),
		"another tier":      changed(func(r *record) { r.Tier = "generic" }),
		"no day":            changed(func(r *record) { r.Measured = "\x1b[2J" }),
		"no types":          changed(func(r *record) { r.Rows = nil }),
		"a type less":       changed(func(r *record) { delete(r.Rows, "q8_0") }),
		"a type more":       changed(func(r *record) { r.Rows["f16"] = 1 }),
		"zero":              changed(func(r *record) { r.Rows["q8_0"] = 0 }),
		"negative":          changed(func(r *record) { r.Rows["q8_0"] = -48 }),
		"huge":              []byte(strings.ReplaceAll(string(text), "77", "9999999999999999999999")),
		"no number":         []byte(strings.ReplaceAll(string(text), "77", `"77"`)),
		"beyond all":        []byte(strings.ReplaceAll(string(text), "77", "99999999999")),
	} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		Load()
		if got := kernel.Chosen(); len(known) > 0 || !maps.Equal(got, constants) {
			t.Errorf("%s: %s is in use", name, InUse())
			clear(known)
			if err := constants.Install(); err != nil {
				t.Fatal(err)
			}
		}
	}
	Measure()
	if got, err := read(path); len(known) > 0 && (err != nil || !maps.Equal(got.Rows, kernel.Chosen())) {
		t.Errorf("after that %v was kept: %v", got, err)
	}
}

// TestNotKept asserts that where nothing can be kept a process measures for itself, and with the cache off not at all.
func TestNotKept(t *testing.T) {
	root := folder(t)
	if err := os.WriteFile(root, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := file(here()); err == nil {
		t.Fatal("a file is a folder")
	}
	Use()
	if want := kernel.BestTier(); len(known) > 0 != want {
		t.Errorf("in place of the folder is a file: %s", InUse())
	}
	clear(known)
	t.Setenv(cachedir.Variable, "off")
	if _, err := file(here()); !errors.Is(err, cachedir.ErrOff) {
		t.Error(err)
	}
	Use()
	if len(known) > 0 {
		t.Errorf("off: %s", InUse())
	}
}

// TestAtOnce has several write the record while others read it: they see it whole.
func TestAtOnce(t *testing.T) {
	folder(t)
	r, path := kept(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				if err := r.write(); err != nil {
					t.Error(err)
				}
				if got, err := read(path); err != nil || !maps.Equal(got.Rows, r.Rows) {
					t.Errorf("%v: %v", got, err)
				}
			}
		})
		all.Go(Load)
	}
	all.Wait()
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".tmp-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestProcessor(t *testing.T) {
	if name := processor(); len(name) > 200 || strings.Contains(name, "\n") {
		t.Errorf("%q", name)
	}
}
