package gguf

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"jamba/internal/impostor"
	"jamba/internal/mmap"
	"jamba/tensor"
)

// File is an open GGUF file, or all parts of a split one. It may be used by several goroutines at once, except for
// Close, which has to come after all other uses of it and of the tensors it gave out.
type File struct {
	// Metadata is the pairs in file order: for a split file those of its first part without the split.* keys,
	// which describe the parts and not the model. It stays valid after Close.
	Metadata Metadata

	parts   []part
	tensors []Info
	index   map[string]int // of tensors, by name
}

// part is one file on disk.
type part struct {
	path     string
	bytes    *mmap.File
	metadata Metadata
	tensors  []Info
}

// Open maps the file at path and reads its metadata and the list of its tensors. The tensors' bytes are not touched, so
// the time it takes does not depend on their size.
//
// If the file is one part of several, whose names end in -00001-of-00003.gguf and so on, all of them are opened,
// whichever path names. It is an error if one is missing.
//
// Every error names the file and, where there is one, the key or the tensor.
func Open(path string) (*File, error) {
	f, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	return f, nil
}

func open(path string) (*File, error) {
	parts, err := openParts(path)
	f := &File{parts: parts, index: map[string]int{}}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	f.Metadata = parts[0].metadata
	if len(parts) > 1 {
		f.Metadata = withoutSplit(f.Metadata)
	}
	for i, p := range parts {
		for _, info := range p.tensors {
			if j, ok := f.index[info.Name]; ok {
				err := fmt.Errorf("%s: tensor %s is in %s already", p.path, info.Name, parts[f.tensors[j].part].path)
				return nil, errors.Join(err, f.Close())
			}
			info.part = i
			f.index[info.Name] = len(f.tensors)
			f.tensors = append(f.tensors, info)
		}
	}
	return f, nil
}

func openPart(path string) (part, error) {
	m, err := openBytes(path)
	if err != nil {
		return part{}, err
	}
	metadata, tensors, err := parse(m.Bytes())
	if what := impostor.What(m.Bytes()); err != nil && what != "" && !bytes.HasPrefix(m.Bytes(), []byte(magic)) {
		err = errors.New(what)
	}
	if err != nil {
		return part{}, errors.Join(fmt.Errorf("%s: %w", path, err), m.Close())
	}
	return part{path, m, metadata, tensors}, nil
}

// Tensors returns what the file says of its tensors, in file order. It lists those of unsupported types, too.
func (f *File) Tensors() []Info {
	all := slices.Clone(f.tensors)
	for i := range all {
		all[i].Shape = slices.Clone(all[i].Shape)
	}
	return all
}

// Tensor returns the tensor of that name. Its bytes are the file's, mapped and read-only: they die with Close.
//
// If there is no such tensor, the error wraps ErrNotFound. It is also an error if the tensor's type is not supported.
func (f *File) Tensor(name string) (tensor.Tensor, error) {
	i, ok := f.index[name]
	if !ok {
		return tensor.Tensor{}, fmt.Errorf("gguf: %s: tensor %s: %w", f.path(), name, ErrNotFound)
	}
	p := f.parts[f.tensors[i].part]
	t, err := f.tensors[i].tensor(p.bytes.Bytes())
	if err != nil {
		return tensor.Tensor{}, fmt.Errorf("gguf: %s: %w", p.path, err)
	}
	return t, nil
}

// Bytes returns the bytes of the tensor of that name whatever its type, as Tensor does: none if the type is unknown.
func (f *File) Bytes(name string) ([]byte, error) {
	i, ok := f.index[name]
	if !ok {
		return nil, fmt.Errorf("gguf: %s: tensor %s: %w", f.path(), name, ErrNotFound)
	}
	info := f.tensors[i]
	end := info.start + info.Size
	return f.parts[info.part].bytes.Bytes()[info.start:end:end], nil
}

// Paths returns the paths of the file, or of all its parts in order.
func (f *File) Paths() []string {
	var all []string
	for _, p := range f.parts {
		all = append(all, p.path)
	}
	return all
}

// ReleaseBytes is Release of part of a tensor, by its bytes. It does nothing to a slice of other memory.
func (f *File) ReleaseBytes(b []byte) {
	for _, p := range f.parts {
		p.bytes.ReleaseBytes(b)
	}
}

// Release tells the system that the bytes of the tensor of that name are not needed for now, as when they have been
// copied in another layout. They stay valid and are read from the file again if need be.
func (f *File) Release(name string) {
	if i, ok := f.index[name]; ok {
		info := f.tensors[i]
		f.parts[info.part].bytes.Release(info.start, info.start+info.Size)
	}
}

// Close unmaps the file. The tensors it gave out become invalid. Closing again does nothing.
func (f *File) Close() error {
	var errs []error
	for _, p := range f.parts {
		errs = append(errs, p.bytes.Close())
	}
	// Tensor finds nothing from now on instead of bytes that are gone.
	f.index = nil
	return errors.Join(errs...)
}

func (f *File) path() string { return f.parts[0].path }
