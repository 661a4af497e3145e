package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

const (
	splitNoKey      = "split.no"            // from 0
	splitCountKey   = "split.count"         // of parts
	splitTensorsKey = "split.tensors.count" // in all parts
)

// openParts opens the file at path and, if it is one part of several, the others. It returns what it opened even if it
// returns an error.
func openParts(path string) ([]part, error) {
	given, err := openPart(path)
	if err != nil {
		return nil, err
	}
	opened := []part{given}
	no, count, err := given.split()
	if err != nil {
		return opened, err
	}
	if count == 1 {
		return opened, nil
	}
	prefix, ok := strings.CutSuffix(path, splitSuffix(no, count))
	if !ok {
		return opened, fmt.Errorf("%s: is part %d of %d, but its name does not end in %s", path, no+1, count, splitSuffix(no, count))
	}
	parts := make([]part, count)
	parts[no] = given
	tensors := len(given.tensors)
	for i := range parts {
		if i == no {
			continue
		}
		p, err := openPart(prefix + splitSuffix(i, count))
		if errors.Is(err, fs.ErrNotExist) {
			return opened, fmt.Errorf("%s: part %d of %d, %s, is missing: is the download complete?", path, i+1, count, prefix+splitSuffix(i, count))
		}
		if err != nil {
			return opened, fmt.Errorf("%s: part %d of %d: %w", path, i+1, count, err)
		}
		opened = append(opened, p)
		gotNo, gotCount, err := p.split()
		if err != nil {
			return opened, err
		}
		if gotNo != i || gotCount != count {
			return opened, fmt.Errorf("%s: is part %d of %d, want part %d of %d", p.path, gotNo+1, gotCount, i+1, count)
		}
		parts[i] = p
		tensors += len(p.tensors)
	}
	want, err := getOr(parts[0].metadata, splitTensorsKey, tensors)
	if err != nil {
		return opened, fmt.Errorf("%s: %w", parts[0].path, err)
	}
	if tensors != want {
		return opened, fmt.Errorf("%s: the %d parts have %d tensors, want %d as key %s says", parts[0].path, count, tensors, want, splitTensorsKey)
	}
	return parts, nil
}

// splitSuffix returns how the name of part no, from 0, ends.
func splitSuffix(no, count int) string { return fmt.Sprintf("-%05d-of-%05d.gguf", no+1, count) }

// split returns which part p is, from 0, and of how many: 0 of 1 if it is not one of several.
func (p part) split() (no, count int, err error) {
	if count, err = getOr(p.metadata, splitCountKey, 1); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", p.path, err)
	}
	if count == 0 || count == 1 {
		return 0, 1, nil
	}
	if no, err = get[int](p.metadata, splitNoKey); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", p.path, err)
	}
	// Five digits are all that the file names have.
	if count < 0 || count > 99999 || no < 0 || no >= count {
		return 0, 0, fmt.Errorf("%s: says it is part %d of %d", p.path, no+1, count)
	}
	return no, count, nil
}

// withoutSplit returns m without the keys that describe parts.
func withoutSplit(m Metadata) Metadata {
	return slices.DeleteFunc(slices.Clone(m), func(kv KV) bool { return strings.HasPrefix(kv.Key, "split.") })
}
