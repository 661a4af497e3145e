package safetensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"jamba/format/bounded"
	"jamba/tensor"
)

// Names of a checkpoint's files in a folder of Hugging Face layout.
const (
	singleFile = "model.safetensors"
	indexFile  = singleFile + ".index.json"
)

// Set is the tensors of a checkpoint in one file or in several shards.
type Set struct {
	files []*File
	of    map[string]*File // tensor name to shard
}

// OpenDir opens the checkpoint in a folder of Hugging Face layout: model.safetensors.index.json with its shards, or
// model.safetensors. The caller closes the Set, and uses no tensor of it after that.
func OpenDir(dir string) (*Set, error) {
	index := filepath.Join(dir, indexFile)
	b, err := bounded.ReadFile(index, maxHeader)
	if errors.Is(err, os.ErrNotExist) {
		f, err := Open(filepath.Join(dir, singleFile))
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("safetensors: %s: neither %s nor %s is there", dir, indexFile, singleFile)
		}
		if err != nil {
			return nil, err
		}
		s := &Set{files: []*File{f}, of: map[string]*File{}}
		for _, name := range f.Names() {
			s.of[name] = f
		}
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	s, err := openShards(dir, b)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %s: %w", index, err)
	}
	return s, nil
}

func openShards(dir string, index []byte) (_ *Set, err error) {
	var v struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(index, &v); err != nil {
		return nil, err
	}
	if len(v.WeightMap) == 0 {
		return nil, fmt.Errorf("weight_map is missing or empty")
	}
	s := &Set{of: make(map[string]*File, len(v.WeightMap))}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	open := map[string]*File{}
	for _, name := range slices.Sorted(maps.Keys(v.WeightMap)) {
		shard := v.WeightMap[name]
		f := open[shard]
		if f == nil {
			// The index is untrusted: a shard lies beside it, not somewhere else on the disk.
			if shard != filepath.Base(shard) || shard == "." || shard == ".." {
				return nil, fmt.Errorf("weight_map: %s: %q is not the name of a file beside the index", name, shard)
			}
			if f, err = Open(filepath.Join(dir, shard)); err != nil {
				return nil, err
			}
			open[shard] = f
			s.files = append(s.files, f)
		}
		if _, ok := f.entries[name]; !ok {
			return nil, fmt.Errorf("weight_map: %s is not in %s", name, shard)
		}
		s.of[name] = f
	}
	return s, nil
}

// Paths returns the paths of the checkpoint's files, sorted.
func (s *Set) Paths() []string {
	var all []string
	for _, f := range s.files {
		all = append(all, f.path)
	}
	slices.Sort(all)
	return all
}

// Close unmaps all files: every tensor becomes invalid.
func (s *Set) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// ReleaseBytes tells the system that bytes of a tensor are not needed for now: they stay valid and are read from the file
// again if need be. It does nothing to a slice of other memory.
func (s *Set) ReleaseBytes(b []byte) {
	for _, f := range s.files {
		f.mem.ReleaseBytes(b)
	}
}

// Names returns the names of the tensors, sorted.
func (s *Set) Names() []string { return slices.Sorted(maps.Keys(s.of)) }

// Has reports whether there is a tensor of that name.
func (s *Set) Has(name string) bool { return s.of[name] != nil }

// Tensor returns the tensor of that name as a view of the mapped shard; errors are those of File.Tensor.
func (s *Set) Tensor(name string) (tensor.Tensor, error) {
	f := s.of[name]
	if f == nil {
		return tensor.Tensor{}, fmt.Errorf("safetensors: no tensor %q in the %d files of the checkpoint", name, len(s.files))
	}
	return f.Tensor(name)
}
