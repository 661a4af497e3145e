package safetensors

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"jamba/internal/durable"
	"jamba/tensor"
)

// Entry is a tensor to be written. Its bytes are asked for when their turn has come, so that tensors can be converted
// piece by piece, and those of a large checkpoint need not be in memory together.
type Entry struct {
	Name  string
	DType tensor.DType // F32, F16 or BF16
	Shape []int
	Write func(w io.Writer) error // writes exactly the bytes that type and shape ask for, little-endian
}

// Of returns the entry that writes t as it is.
func Of(t tensor.Tensor) Entry {
	return Entry{t.Name, t.DType, t.Shape, func(w io.Writer) error {
		_, err := w.Write(t.Data)
		return err
	}}
}

// MaxShard is the size that files of a checkpoint have at most, unless a single tensor is larger, as it is the custom.
const MaxShard = 5_000_000_000

// WriteFile puts the tensors into a file in the place of what is at path; the file is whole or not there. Tensors stand in
// the order of their names. metadata goes into the header beside format: pt, without which some readers refuse a file.
func WriteFile(path string, entries []Entry, metadata map[string]string) error {
	entries, err := sorted(entries)
	if err == nil {
		err = writeFile(path, entries, metadata)
	}
	if err != nil {
		return fmt.Errorf("safetensors: %s: %w", path, err)
	}
	return nil
}

// WriteDir writes a checkpoint into a folder in Hugging Face layout: model.safetensors, or, if that would have more than
// maxShard bytes, several files with model.safetensors.index.json. A checkpoint that is in the folder is replaced file by
// file: to replace one as a whole, write into a new folder (durable.SaveStep). maxShard 0 means MaxShard.
func WriteDir(dir string, entries []Entry, maxShard int64) error {
	if err := writeDir(dir, entries, maxShard); err != nil {
		return fmt.Errorf("safetensors: %s: %w", dir, err)
	}
	return nil
}

func writeDir(dir string, entries []Entry, maxShard int64) error {
	if maxShard == 0 {
		maxShard = MaxShard
	}
	entries, err := sorted(entries)
	if err != nil {
		return err
	}
	shards, total := [][]Entry{nil}, int64(0)
	filled := int64(0)
	for _, e := range entries {
		n := int64(e.size())
		if filled > 0 && filled+n > maxShard {
			shards, filled = append(shards, nil), 0
		}
		last := &shards[len(shards)-1]
		*last = append(*last, e)
		filled += n
		total += n
	}
	index := filepath.Join(dir, indexFile)
	if len(shards) == 1 {
		if err := writeFile(filepath.Join(dir, singleFile), entries, nil); err != nil {
			return err
		}
		// An index that is there would hide the file.
		if err := os.Remove(index); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	weightMap := map[string]string{}
	for i, shard := range shards {
		name := fmt.Sprintf("%s-%05d-of-%05d.safetensors", strings.TrimSuffix(singleFile, ".safetensors"), i+1, len(shards))
		if err := writeFile(filepath.Join(dir, name), shard, nil); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, e := range shard {
			weightMap[e.Name] = name
		}
	}
	b, err := json.MarshalIndent(map[string]any{"metadata": map[string]any{"total_size": total}, "weight_map": weightMap}, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(index, func(f *os.File) error {
		_, err := f.Write(append(b, '\n'))
		return err
	})
}

// size returns the bytes of a checked entry.
func (e Entry) size() int {
	n, _ := tensor.Size(e.DType, e.Shape)
	return n
}

// sorted returns the entries in the order of their names, after checking them.
func sorted(entries []Entry) ([]Entry, error) {
	entries = slices.SortedFunc(slices.Values(entries), func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	total := 0
	for i, e := range entries {
		if dtypes[e.DType.String()] != e.DType || e.DType == tensor.Invalid {
			return nil, fmt.Errorf("%s: dtype %v cannot be written; F32, F16 and BF16 can", e.Name, e.DType)
		}
		n, err := tensor.Size(e.DType, e.Shape)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
		if total += n; total < 0 {
			return nil, fmt.Errorf("%s: the tensors together overflow", e.Name)
		}
		switch {
		case e.Name == "__metadata__":
			return nil, fmt.Errorf("no tensor can be named %s", e.Name)
		case i > 0 && e.Name == entries[i-1].Name:
			return nil, fmt.Errorf("two tensors are named %s", e.Name)
		}
	}
	return entries, nil
}

func writeFile(path string, entries []Entry, metadata map[string]string) error {
	header, err := header(entries, metadata)
	if err != nil {
		return err
	}
	return durable.WriteFile(path, func(f *os.File) error {
		w := bufio.NewWriterSize(f, 1<<20)
		w.Write(header)
		for _, e := range entries {
			c := counter{w: w}
			if err := e.Write(&c); err != nil {
				return fmt.Errorf("%s: %w", e.Name, err)
			}
			if want := int64(e.size()); c.n != want {
				return fmt.Errorf("%s: %v %v takes %d bytes, %d were written", e.Name, e.DType, e.Shape, want, c.n)
			}
		}
		return w.Flush()
	})
}

// header returns the bytes before the tensors, a multiple of 8 so that they are aligned.
func header(entries []Entry, metadata map[string]string) ([]byte, error) {
	meta := map[string]string{"format": "pt"}
	maps.Copy(meta, metadata)
	h := map[string]any{"__metadata__": meta}
	at := int64(0)
	for _, e := range entries {
		end := at + int64(e.size())
		shape := e.Shape
		if shape == nil {
			shape = []int{}
		}
		h[e.Name] = entry{e.DType.String(), shape, [2]int64{at, end}}
		at = end
	}
	b, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	if len(b) > maxHeader {
		return nil, fmt.Errorf("header of %d bytes, the format allows %d", len(b), maxHeader)
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(b))), b...), nil
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
