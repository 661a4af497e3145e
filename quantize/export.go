// Package quantize writes models: rounded to a recipe's types as GGUF files of standard or native layout, and merged with
// adapters as folders.
package quantize

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"jamba/checkpoint"
	"jamba/format/gguf"
	"jamba/internal/kernel"
	"jamba/internal/kernel/par"
	"jamba/model"
	"jamba/model/param"
	"jamba/quantize/recipe"
	"jamba/tensor"
)

// ExportOptions say how to write a model as a GGUF file.
type ExportOptions struct {
	Recipe   recipe.Recipe                  // "" in native layout: a GGUF file's types are kept
	Native   bool                           // write a file of native layout, see Native, for the kernels in use
	Text     gguf.Metadata                  // of a folder's tokenizer and chat templates; a GGUF file's are copied
	Ends     []int32                        // the tokens that end an answer of a folder's model; nil: those of its config.json
	Progress func(done, total int64)        // told of the bytes of weights that have been read; may be nil
	Warn     func(c *checkpoint.Checkpoint) // given what is written, for its Warnings and Unused; may be nil
}

// Export writes the model at path, a folder in Hugging Face layout or a .gguf file, to the GGUF file out, its tensors
// rounded as the recipe says, and says what became of each. It goes tensor by tensor, a few thousand rows at a time, and
// frees the source behind it: it takes little memory whatever the model's size. The file appears under its name
// when it is complete; after an error, also that of ctx, there is none.
//
// A file of native layout is opened faster and read by nothing else; it can be no source.
//
// A GGUF file keeps its metadata. Those of a folder, the tensors' names and their form are what llama.cpp's converter
// writes. It is an error if GGUF cannot express the model, or if a weight that is
// rounded is infinite, NaN or too large for its type.
func Export(ctx context.Context, path, out string, o ExportOptions) (recipe.Report, error) {
	c, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return Write(ctx, c, out, o)
}

// Write is Export of an open checkpoint, whose model is not loaded yet.
func Write(ctx context.Context, c *checkpoint.Checkpoint, out string, o ExportOptions) (recipe.Report, error) {
	path := c.Path
	if c.Native != nil {
		return nil, fmt.Errorf("%s: its layout is native, which is for computing only; quantize what it was made from, %s", path, c.Native.From())
	}
	if _, err := c.Model(checkpoint.Options{}); err != nil {
		return nil, err // one of shapes that do not fit the settings
	}
	if o.Warn != nil {
		o.Warn(c)
	}
	e := &exporter{Checkpoint: c, tensors: c.Tensors(), unused: c.Unused(), ctx: ctx, progress: o.Progress}
	if o.Native {
		if e.rows = kernel.PanelRows(); e.rows == 0 {
			return nil, fmt.Errorf("the kernels in use, %s, have no panels: the layout native is for others", kernel.Tier())
		}
	}
	var err error
	if !o.Native && !slices.Contains(recipe.FileRecipes(), o.Recipe) {
		if slices.Contains(recipe.NativeRecipes(), o.Recipe) {
			return nil, fmt.Errorf("type %s is for files of layout native: GGUF has no type with one scale for a row", o.Recipe)
		}
		return nil, fmt.Errorf("type %q is not known; %s are", string(o.Recipe), recipe.Names(recipe.FileRecipes()))
	}
	if o.Recipe != "" || !o.Native {
		if e.mixture, err = o.Recipe.Of(&c.Config); err != nil {
			return nil, err
		}
	}
	var meta gguf.Metadata
	if f := c.File(); f != nil {
		meta, err = e.copied(f)
	} else if e.mixture == nil {
		err = errNothingToKeep
	} else if err = e.converted(); err == nil {
		meta, err = e.metadata(strings.TrimSuffix(filepath.Base(path), string(filepath.Separator)), o.Text, o.Ends)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var tensors []gguf.Source
	var report recipe.Report
	packed := false
	for i := range e.items {
		x := &e.items[i]
		src := gguf.Source{Name: x.Name, DType: x.To, Shape: x.Shape, Data: func(w io.Writer) error { return e.write(w, x) }}
		if x.After, err = x.size(); err == nil && e.packs(x) {
			err = e.toPanels(&src, x)
			packed = true
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		report = append(report, x.Conversion)
		e.total += x.Before
		tensors = append(tensors, src)
	}
	if e.mixture == nil && !packed {
		return nil, fmt.Errorf("%s: %w", path, errNothingToKeep)
	}
	if o.Native {
		if meta, err = e.native(meta); err != nil {
			return nil, err
		}
	}
	if err := gguf.WriteFile(out, meta, tensors); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	return report, nil
}

var errNothingToKeep = errors.New("it has no matrices of a type that lies in panels, which could be kept: a type has to be given")

// exporter lists a model's tensors as GGUF names and forms them, then writes them.
type exporter struct {
	*checkpoint.Checkpoint
	tensors     checkpoint.Tensors
	unused      []string        // tensors
	mixture     *recipe.Mixture // nil: types are kept
	ctx         context.Context
	rows        int // of a panel; 0: the layout is standard
	items       []item
	done, total int64
	progress    func(done, total int64)
}

// item is a tensor to be written, made of one or more of the source.
type item struct {
	model.Conversion
	pieces   []tensor.Tensor // matrices that follow each other; a vector is one row, or rows of one value
	row      func(i int) int // which row of a piece goes to row i; nil: the same
	negExp   bool            // −exp of the values is written
	verbatim bool            // the bytes are written as they are
}

// join adds a note to one there may be.
func (x *item) join(note string) {
	switch {
	case note == "":
	case x.Note == "":
		x.Note = note
	default:
		x.Note += "; " + note
	}
}

func (x *item) size() (int64, error) {
	n, err := tensor.Size(x.To, x.Shape)
	return int64(n), err
}

// add lists a tensor of layer i, or -1.
func (e *exporter) add(i int, x item) {
	for _, p := range x.pieces {
		x.Before += int64(len(p.Data))
	}
	x.From = x.pieces[0].DType
	if why := recipe.Keep(x.Name, x.Shape); why != "" {
		x.Kept = true
		x.join(why)
	} else if e.mixture == nil {
		x.To = x.From
	} else {
		var note string
		x.To, note = e.mixture.Choose(x.Name, i, x.Shape[len(x.Shape)-1])
		x.join(note)
	}
	if x.From.Quantized() && x.From != x.To {
		x.join("rounded again from " + x.From.String())
	}
	e.items = append(e.items, x)
}

// copied lists a GGUF file's tensors, and returns its metadata.
func (e *exporter) copied(src *gguf.File) (gguf.Metadata, error) {
	for _, info := range src.Tensors() {
		t, err := src.Tensor(info.Name)
		if err != nil {
			return nil, err // one of a type that is not known, which the network does not use
		}
		i := param.GGUFNames.LayerOf(info.Name)
		x := item{Conversion: model.Conversion{Name: info.Name, Shape: info.Shape, To: t.DType}, pieces: []tensor.Tensor{matrixOf(t)}}
		if slices.Contains(e.unused, info.Name) {
			x.Kept, x.verbatim = true, true
			x.From, x.Before = t.DType, int64(len(t.Data))
			x.join("the network does not use it")
			e.items = append(e.items, x)
			continue
		}
		e.add(i, x)
	}
	var meta gguf.Metadata
	for _, kv := range src.Metadata {
		switch kv.Key {
		case "general.file_type", "general.quantization_version":
			if e.mixture != nil {
				continue
			}
		}
		if meta = append(meta, kv); kv.Key == "general.architecture" && e.mixture != nil {
			meta = append(meta, e.fileKeys()...)
		}
	}
	return meta, nil
}

// fileKeys are the keys that say how the tensors were rounded.
func (e *exporter) fileKeys() (keys gguf.Metadata) {
	if number, ok := e.mixture.FileType(); ok {
		keys = append(keys, gguf.KV{Key: "general.file_type", Value: number})
	}
	return append(keys, gguf.KV{Key: "general.quantization_version", Value: uint32(2)})
}

// matrixOf returns t with its last dimension as rows.
func matrixOf(t tensor.Tensor) tensor.Tensor {
	k := t.Shape[len(t.Shape)-1]
	t.Shape = []int{t.Numel() / max(1, k), k}
	return t
}

// atOnce is how many values are rounded at a time: some megabytes of them.
const atOnce = 1 << 21

// write writes one tensor.
func (e *exporter) write(w io.Writer, x *item) error {
	for _, p := range x.pieces {
		m, err := kernel.NewMatrix(p)
		if err != nil {
			return err
		}
		size, err := x.To.RowBytes(m.K)
		if err != nil {
			return err
		}
		same := x.verbatim || p.DType == x.To && x.row == nil && !x.negExp
		rows := max(1, atOnce/m.K)
		buf := make([]byte, min(rows, m.N)*size)
		for lo := 0; lo < m.N; lo += rows {
			if err := e.ctx.Err(); err != nil {
				return err
			}
			hi := min(lo+rows, m.N)
			out := buf[:(hi-lo)*size]
			before := len(p.Data) / m.N
			if same {
				out = p.Data[lo*before : hi*before]
			} else if err := x.round(out, &m, lo, size); err != nil {
				return err
			}
			if _, err := w.Write(out); err != nil {
				return err
			}
			e.advance((hi - lo) * before)
			e.tensors.ReleaseBytes(p.Data[lo*before : hi*before])
		}
		e.tensors.ReleaseBytes(p.Data) // pages that two pieces share
	}
	return nil
}

// advance tells that bytes of the source have been read.
func (e *exporter) advance(bytes int) {
	if e.done += int64(bytes); e.progress != nil {
		e.progress(e.done, e.total)
	}
}

// round stores rows of the piece m from row lo on in out, size bytes each.
func (x *item) round(out []byte, m *kernel.Matrix, lo, size int) error {
	var mu sync.Mutex
	first, failed := 0, error(nil)
	par.For(len(out)/size, max(1, 4096/m.K), func(from, to int) {
		row := make([]float32, m.K)
		for i := from; i < to; i++ {
			source := lo + i
			if x.row != nil {
				source = x.row(source)
			}
			err := m.FiniteRow(row, source)
			if x.negExp {
				for j, v := range row {
					row[j] = float32(-math.Exp(float64(v)))
				}
			}
			if err == nil {
				err = kernel.Quantize(out[i*size:(i+1)*size], x.To, row)
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				if failed == nil || i < first {
					first, failed = i, err
				}
				return
			}
		}
	})
	if failed != nil {
		return fmt.Errorf("row %d: %w", lo+first, failed)
	}
	return nil
}
