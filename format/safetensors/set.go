package safetensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"jamba/internal/bounded"
	"jamba/internal/impostor"
	"jamba/internal/printable"
	"jamba/tensor"
)

// Names of a checkpoint's files in a folder of Hugging Face layout.
const (
	singleFile = "model.safetensors"
	indexFile  = singleFile + ".index.json"

	maxIndex    = 32 << 20 // bytes of an index
	maxFileName = 255      // of the systems' file systems
)

// Set is the tensors of a checkpoint in one file or in several shards.
type Set struct {
	Warnings []string // what a user should know of the folder

	files []*File
	of    map[string]*File // tensor name to shard
}

// OpenDir opens the checkpoint in a folder of Hugging Face layout: model.safetensors.index.json with its shards, or
// model.safetensors. The caller closes the Set, and uses no tensor of it after that.
func OpenDir(dir string) (*Set, error) {
	index := filepath.Join(dir, indexFile)
	b, err := bounded.ReadText(index, maxIndex)
	if errors.Is(err, os.ErrNotExist) {
		f, err := Open(filepath.Join(dir, singleFile))
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("safetensors: %s: neither %s nor %s is there%s", dir, indexFile, singleFile, instead(dir))
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
	if what := impostor.What(b); err != nil && what != "" {
		return nil, fmt.Errorf("safetensors: %s: %s", index, what)
	}
	if err != nil {
		return nil, fmt.Errorf("safetensors: %s: %w", index, err)
	}
	stray := filepath.Join(dir, singleFile)
	if _, err := os.Lstat(stray); err == nil && !slices.Contains(s.Paths(), stray) {
		s.Warnings = append(s.Warnings, fmt.Sprintf("%s: not read, since %s names other files", stray, indexFile))
	}
	return s, nil
}

// instead says what a folder without safetensors files holds, and the way out.
func instead(dir string) string {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() == singleFile || e.Name() == indexFile {
			return fmt.Sprintf(", but %s, a link to a file that is not there: is the download complete?", e.Name())
		}
	}
	for _, other := range []struct{ pattern, say string }{
		{"model-?????-of-?????.safetensors", "without its index, which names the tensors of each file: download that, too"},
		{"consolidated*.safetensors", "in the original layout of Llama and Mistral: take the one for Hugging Face, or convert it"},
		{"consolidated*.pth", "in the original layout of Llama, as a pickle: take the one for Hugging Face, or convert it"},
		{"pytorch_model*.bin", pickles},
		{"*.bin.index.json", pickles},
		{"adapter_model.*", "which is an adapter: give its folder with --adapter, beside the model that it was trained on"},
		{"*.gguf", "which is a model by itself: give the file, not the folder"},
		{"*.safetensors", "under another name: rename it, or download the index that names it"},
		{"*.bin", pickles},
		{"*.pth", pickles},
		{"*.pt", pickles},
		{"*.ckpt", pickles},
		{"tf_model.h5", "as TensorFlow writes them: convert it to safetensors"},
		{"flax_model.msgpack", "as Flax writes them: convert it to safetensors"},
		{"*.npz", "as MLX wrote them: take the original model"},
		{"*.onnx", "as ONNX: take the original model"},
	} {
		for _, e := range entries {
			if ok, _ := filepath.Match(other.pattern, e.Name()); ok {
				return fmt.Sprintf(", but %s, %s", printable.Cut(e.Name(), 80), other.say)
			}
		}
	}
	return ""
}

const pickles = "a pickle of PyTorch's, which is a program and is not run: convert it to safetensors (load it with transformers and save_pretrained), or take a repository that has them"

func openShards(dir string, index []byte) (_ *Set, err error) {
	var v struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	err = json.Unmarshal(index, &v)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil, errors.New("is not an object whose weight_map gives the file of each tensor by the tensor's name")
	}
	if err != nil {
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
			if shard != filepath.Base(shard) || shard == "." || shard == ".." || len(shard) > maxFileName {
				return nil, fmt.Errorf("weight_map: %s: %s is not the name of a file beside the index", printable.Cut(name, 100), printable.Cut(strconv.Quote(shard[:min(len(shard), maxFileName)]), 100))
			}
			if f, err = Open(filepath.Join(dir, shard)); errors.Is(err, os.ErrNotExist) {
				return nil, fmt.Errorf("%s is named, but not there: is the download complete?", printable.Cut(shard, 100))
			}
			if err != nil {
				return nil, err
			}
			open[shard] = f
			s.files = append(s.files, f)
		}
		if _, ok := f.entries[name]; !ok {
			return nil, fmt.Errorf("weight_map: %s is not in %s", printable.Cut(name, 100), printable.Cut(shard, 100))
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

// Rename gives a tensor another name, if there is one of the first and none of the second.
func (s *Set) Rename(from, to string) {
	f := s.of[from]
	if f == nil || s.of[to] != nil {
		return
	}
	s.of[to], f.entries[to] = f, f.entries[from]
	delete(s.of, from)
	delete(f.entries, from)
}

// Tensor returns the tensor of that name as a view of the mapped shard; errors are those of File.Tensor.
func (s *Set) Tensor(name string) (tensor.Tensor, error) {
	f := s.of[name]
	if f == nil {
		return tensor.Tensor{}, fmt.Errorf("safetensors: no tensor %q in the %d files of the checkpoint", name, len(s.files))
	}
	return f.Tensor(name)
}

// Type returns the element type of the tensor of that name as the header spells it, "" if there is none.
func (s *Set) Type(name string) string {
	if f := s.of[name]; f != nil {
		return f.entries[name].DType
	}
	return ""
}
