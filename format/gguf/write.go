package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"

	"jamba/tensor"
)

// Source is a tensor to be written. Data writes its bytes, exactly as many as the type and the shape take, and is
// called once, when the tensors before it have been written: no more than a buffer has to be in memory.
type Source struct {
	Name  string
	DType tensor.DType
	Shape []int // row-major, one to four dimensions
	Bytes bool  // the elements are bytes that no DType describes, I8 in the file; DType is not looked at
	Data  func(w io.Writer) error
}

func (t *Source) typ() (Type, bool) {
	if t.Bytes {
		return I8, true
	}
	return typeOf(t.DType)
}

// FromTensor returns t as a Source.
func FromTensor(t tensor.Tensor) Source {
	return Source{Name: t.Name, DType: t.DType, Shape: t.Shape, Data: func(w io.Writer) error {
		_, err := w.Write(t.Data)
		return err
	}}
}

// WriteFile writes a GGUF file to path, replacing what is there. The file appears under path when it is complete and
// on disk: until then it has another name in the same folder, and it is removed if there is an error.
func WriteFile(path string, metadata Metadata, tensors []Source) error {
	temp := fmt.Sprintf("%s.%016x.tmp", path, rand.Uint64())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return fmt.Errorf("gguf: %w", err)
	}
	if err = write(f, metadata, tensors); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return fmt.Errorf("gguf: %s: %w", path, errors.Join(err, os.Remove(temp)))
	}
	return nil
}

// Write writes a GGUF file of version 3. Metadata and tensors keep their order. Tensors start at multiples of 32 bytes,
// or of the metadata's general.alignment.
//
// It is an error, before anything is written, if a key or a name is empty, too long, unprintable or there twice, if a
// value is of a type that KV does not list, or if a tensor's shape does not fit its type. An error of a Source's Data is
// returned with the tensor's name.
func Write(w io.Writer, metadata Metadata, tensors []Source) error {
	if err := write(w, metadata, tensors); err != nil {
		return fmt.Errorf("gguf: %w", err)
	}
	return nil
}

func write(w io.Writer, metadata Metadata, tensors []Source) error {
	alignment, err := metadata.alignment()
	if err != nil {
		return err
	}
	b := []byte(magic)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(tensors)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(metadata)))
	if b, err = appendMetadata(b, metadata); err != nil {
		return err
	}
	b, sizes, err := appendInfos(b, tensors, alignment)
	if err != nil {
		return err
	}
	b = append(b, make([]byte, alignUp(len(b), alignment)-len(b))...)

	out := bufio.NewWriterSize(w, 1<<20)
	if _, err := out.Write(b); err != nil {
		return err
	}
	padding := make([]byte, alignment)
	for i, t := range tensors {
		n := &limited{w: out, left: sizes[i]}
		if err := t.Data(n); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		if typ, _ := t.typ(); n.left != 0 {
			return fmt.Errorf("%s: %d bytes of data, want %d for %v %v", t.Name, sizes[i]-n.left, sizes[i], typ, t.Shape)
		}
		if _, err := out.Write(padding[:alignUp(sizes[i], alignment)-sizes[i]]); err != nil {
			return err
		}
	}
	return out.Flush()
}

func appendMetadata(b []byte, metadata Metadata) ([]byte, error) {
	seen := map[string]bool{}
	for _, kv := range metadata {
		if err := checkName(kv.Key, maxKey); err != nil {
			return nil, fmt.Errorf("key %w", err)
		}
		if seen[kv.Key] {
			return nil, fmt.Errorf("key %s is there twice", kv.Key)
		}
		seen[kv.Key] = true
		var err error
		if b, err = appendValue(appendText(b, kv.Key), kv.Value); err != nil {
			return nil, fmt.Errorf("key %s: %w", kv.Key, err)
		}
	}
	return b, nil
}

// appendInfos appends the tensor infos and returns the tensors' sizes in bytes.
func appendInfos(b []byte, tensors []Source, alignment int) ([]byte, []int, error) {
	sizes := make([]int, len(tensors))
	seen := map[string]bool{}
	offset := 0
	for i, t := range tensors {
		// ggml has 64 bytes for a name including a zero at the end.
		if err := checkName(t.Name, maxName-1); err != nil {
			return nil, nil, fmt.Errorf("tensor name %w", err)
		}
		if seen[t.Name] {
			return nil, nil, fmt.Errorf("tensor %s is there twice", t.Name)
		}
		seen[t.Name] = true
		typ, ok := t.typ()
		if !ok {
			return nil, nil, fmt.Errorf("%s: %v has no GGUF type", t.Name, t.DType)
		}
		if len(t.Shape) == 0 || len(t.Shape) > maxDims || slices.Contains(t.Shape, 0) {
			return nil, nil, fmt.Errorf("%s: shape %v, want one to %d dimensions, none of them 0", t.Name, t.Shape, maxDims)
		}
		size, err := typ.size(t.Shape)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", t.Name, err)
		}
		sizes[i] = size

		b = appendText(b, t.Name)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Shape)))
		for _, d := range slices.Backward(t.Shape) {
			b = binary.LittleEndian.AppendUint64(b, uint64(d))
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(typ))
		b = binary.LittleEndian.AppendUint64(b, uint64(offset))
		offset += alignUp(size, alignment)
	}
	return b, sizes, nil
}

// limited is a writer that takes left more bytes.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, fmt.Errorf("%d bytes of data too many", len(p)-l.left)
	}
	n, err := l.w.Write(p)
	l.left -= n
	return n, err
}
