// Package cachedir finds the folder in which the program keeps what it has found out about the machine, or made for it, and
// can make again: it may be deleted at any time.
package cachedir

import (
	"errors"
	"os"
	"path/filepath"
)

// Variable is the environment variable that names the folder; off: there is none. By default it is jamba in the user's folder
// of caches.
const Variable = "JAMBA_CACHE"

// ErrOff is that the user wants no such folder.
var ErrOff = errors.New(Variable + " is off")

// Make makes the folder of that name within it, unless it is there, and returns its path. It is an error unless both are
// the user's own and nobody else can write in them.
func Make(name string) (string, error) {
	root := os.Getenv(Variable)
	if root == "off" {
		return "", ErrOff
	}
	if root == "" {
		caches, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		root = filepath.Join(caches, "jamba")
	}
	dir := filepath.Join(root, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return dir, Private(root, dir)
}

// Private returns an error unless folders are the user's own and nobody else can write in them.
func Private(dirs ...string) error {
	for _, dir := range dirs {
		if err := private(dir); err != nil {
			return err
		}
	}
	return nil
}
