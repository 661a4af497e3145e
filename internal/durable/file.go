// Package durable writes files and folders that are whole or not there: whoever reads them, and whatever ends the
// writing program at whatever moment, sees the old contents or the new. What a call has returned from has reached the disk.
//
// Things are written under a name that begins with ".tmp-", brought to the disk, and renamed, which file systems do as one
// step. A program that is ended half-way leaves such a name behind.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
)

// tmpPrefix begins the names of what is not whole yet, or not any more.
const tmpPrefix = ".tmp-"

func tmpName(path string) string {
	return filepath.Join(filepath.Dir(path), fmt.Sprintf("%s%s-%016x", tmpPrefix, filepath.Base(path), rand.Uint64()))
}

// WriteFile puts what write writes in the place of the file at path. If write fails the file stays as it was.
func WriteFile(path string, write func(f *os.File) error) error {
	part := tmpName(path)
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		os.Remove(part)
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir brings the names in a folder to the disk.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // which does so by itself, and opens no folders
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// syncTree brings all files under dir to the disk.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return syncDir(path)
		case !e.Type().IsRegular():
			return nil
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}
