package quantize

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"jamba/checkpoint"
	"jamba/format/gguf"
	"jamba/internal/kernel"
	"jamba/model/param"
)

const nativeAlignment = 64 // a line of the cache

// packs reports whether x is to lie in panels: what model.Prepare would pack.
func (e *exporter) packs(x *item) bool {
	looked := x.Name == param.GGUFNames.Embed && !e.Config.TieWordEmbeddings
	return e.rows > 0 && kernel.Packs(x.To) && !x.Kept && !looked
}

// toPanels has x written in panels, and sets the bytes that it takes.
func (e *exporter) toPanels(src *gguf.Source, x *item) error {
	dims := len(x.Shape)
	n, k := x.Shape[dims-2], x.Shape[dims-1]
	size, err := kernel.PanelBytes(x.To, e.rows, n, k)
	if err != nil {
		return fmt.Errorf("%s: %w", x.Name, err)
	}
	x.After = int64(size)
	for _, count := range x.Shape[:dims-2] {
		x.After *= int64(count)
	}
	src.Name, src.Bytes, src.Shape = checkpoint.PanelName(x.Name, x.To), true, append(slices.Clone(x.Shape[:dims-2]), size)
	src.Data = func(w io.Writer) error {
		packer, err := kernel.NewPanelWriter(w, x.To, e.rows, n, k)
		if err != nil {
			return err
		}
		return e.write(packer, x)
	}
	return nil
}

// native turns the metadata of a standard file into those of a native one.
func (e *exporter) native(meta gguf.Metadata) (gguf.Metadata, error) {
	sources, err := e.hash()
	if err != nil {
		return nil, err
	}
	var names, sums []string
	for _, s := range sources {
		names, sums = append(names, s.Name), append(sums, s.SHA256)
	}
	var out gguf.Metadata
	for _, kv := range meta {
		switch {
		case kv.Key == "general.alignment" || strings.HasPrefix(kv.Key, checkpoint.NativePrefix):
		case kv.Key == "general.architecture":
			out = append(out, gguf.Metadata{
				{Key: kv.Key, Value: checkpoint.NativeArchitecture},
				{Key: "general.alignment", Value: uint32(nativeAlignment)},
				{Key: checkpoint.NativePrefix + "version", Value: uint32(kernel.PanelVersion)},
				{Key: checkpoint.NativePrefix + "architecture", Value: kv.Value},
				{Key: checkpoint.NativePrefix + "rows", Value: uint32(e.rows)},
				{Key: checkpoint.NativePrefix + "vocab_size", Value: uint32(e.Config.VocabSize)},
				{Key: checkpoint.NativePrefix + "source", Value: names},
				{Key: checkpoint.NativePrefix + "sha256", Value: sums},
			}...)
		default:
			out = append(out, kv)
		}
	}
	return out, nil
}

// hash reads the source's files, or the file in this program.
func (e *exporter) hash() (all []checkpoint.SourceFile, _ error) {
	if data, ok := gguf.EmbeddedBytes(e.tensors.Paths()[0]); ok {
		sum := sha256.Sum256(data)
		return []checkpoint.SourceFile{{Name: e.tensors.Paths()[0], SHA256: hex.EncodeToString(sum[:])}}, nil
	}
	for _, path := range e.tensors.Paths() {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		e.total += info.Size()
	}
	buf := make([]byte, 1<<20)
	for _, path := range e.tensors.Paths() {
		sum := sha256.New()
		err := eachPiece(path, buf, func(b []byte) error {
			sum.Write(b)
			e.advance(len(b))
			return e.ctx.Err()
		})
		if err != nil {
			return nil, err
		}
		all = append(all, checkpoint.SourceFile{Name: filepath.Base(path), SHA256: hex.EncodeToString(sum.Sum(nil))})
	}
	return all, nil
}

func eachPiece(path string, buf []byte, visit func([]byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		n, err := f.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = visit(buf[:n])
		}
		if err != nil {
			return err
		}
	}
}
