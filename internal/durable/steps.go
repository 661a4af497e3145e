package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A folder of steps holds a subfolder for each saved state of a run, step-000100 and so on, and a link latest to the last
// one. A state has several files, which no system replaces together. So a subfolder gets its name when all its files are on
// the disk and loses it before the first of them is removed, and is whole as long as it has the name. The link is for
// people and their commands; systems without links do without.
const (
	stepPrefix = "step-"
	latestLink = "latest"
)

// ErrNoStep is returned when a folder holds no whole step.
var ErrNoStep = errors.New("no saved step")

// SaveStep makes the subfolder of a step in dir, which it makes if need be: write puts the files into the folder that it is
// given. Then all but the last keep steps are removed, and what killed programs left; only one program may save into dir
// at a time. A step that is there already is replaced, on Linux in one step; elsewhere it is absent for a moment. It returns
// the subfolder's path.
func SaveStep(dir string, step, keep int, write func(dir string) error) (string, error) {
	if step < 0 || keep < 1 {
		return "", fmt.Errorf("%s: cannot save step %d and keep %d", dir, step, keep)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s%06d", stepPrefix, step)
	path := filepath.Join(dir, name)
	part := tmpName(path)
	if err := os.Mkdir(part, 0o777); err != nil {
		return "", err
	}
	err := write(part)
	if err == nil {
		err = syncTree(part)
	}
	if err == nil {
		err = place(part, path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(part))
	}
	LinkLatest(dir, name)
	return path, prune(dir, name, keep)
}

// place gives a folder its name; one that has it gets the other's.
func place(part, path string) error {
	if _, err := os.Lstat(path); err == nil {
		if exchange(part, path) == nil {
			return nil
		}
		if err := retire(path); err != nil {
			return err
		}
	}
	return os.Rename(part, path)
}

// retire takes a folder's name away, so that nobody sees it go file by file.
func retire(path string) error {
	err := os.Rename(path, tmpName(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// LinkLatest makes latest point to the step in the subfolder of that name, if the system has links. SaveStep does so; a program
// that was killed just before may have left the link a step behind.
func LinkLatest(dir, name string) {
	path := filepath.Join(dir, latestLink)
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return // somebody else's
	}
	part := tmpName(path)
	if os.Symlink(name, part) != nil {
		return
	}
	if os.Rename(part, path) != nil {
		os.Remove(part)
	}
}

// prune removes what is not to be kept; last is the step that was just saved.
func prune(dir, last string, keep int) error {
	steps, err := steps(dir)
	if err != nil {
		return err
	}
	var errs []error
	for i, s := range steps {
		if i < len(steps)-keep && s.name != last {
			errs = append(errs, retire(filepath.Join(dir, s.name)))
		}
	}
	return errors.Join(append(errs, Clean(dir, stepPrefix, latestLink))...)
}

type savedStep struct {
	step int
	name string
}

// steps returns the whole steps in dir, in order.
func steps(dir string) ([]savedStep, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []savedStep
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), stepPrefix)
		if n, err := strconv.ParseUint(digits, 10, 63); ok && err == nil && e.IsDir() && n <= math.MaxInt {
			all = append(all, savedStep{int(n), e.Name()})
		}
	}
	slices.SortFunc(all, func(a, b savedStep) int { return a.step - b.step })
	return all, nil
}

// LatestStep returns the last whole step that was saved in dir and its subfolder. The error is ErrNoStep if there is none.
func LatestStep(dir string) (step int, path string, err error) {
	all, err := steps(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, "", err
	}
	if len(all) == 0 {
		return 0, "", fmt.Errorf("%s: %w", dir, ErrNoStep)
	}
	last := all[len(all)-1]
	return last.step, filepath.Join(dir, last.name), nil
}
