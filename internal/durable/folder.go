package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Clean removes from a folder what programs that were killed have left of things whose names begin so. Nobody else may be
// writing such things into the folder.
func Clean(dir string, names ...string) error {
	entries, err := os.ReadDir(dir)
	errs := []error{err}
	for _, e := range entries {
		if slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(e.Name(), tmpPrefix+name) }) {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// WriteDir makes the folder at path, which must not be there yet: write puts the files into the folder that it is given,
// which gets its name when all of them are on the disk. If write fails nothing is left.
func WriteDir(path string, write func(dir string) error) error {
	path = filepath.Clean(path)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fmt.Errorf("%s: is there already; name a new folder", path)
		}
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	part := tmpName(path)
	if err := os.Mkdir(part, 0o777); err != nil {
		return err
	}
	err := write(part)
	if err == nil {
		err = syncTree(part)
	}
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(part))
	}
	return syncDir(filepath.Dir(path))
}
