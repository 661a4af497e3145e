package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"jamba/format/gguf"
	"jamba/internal/kernel"
	"jamba/internal/printable"
	"jamba/tensor"
)

// Native describes a file of native layout: a GGUF file whose quantized matrices lie in panels of the fast kernels, so
// that they are used in place.
//
// It is GGUF's container. The architecture that it names is none that other programs know. The network's is under
// jamba.native.architecture, and all other keys are those of a standard file. A matrix NAME of type Q4_K is the tensor of
// bytes NAME.q4_k, a stack of experts has one row for each; see kernel.PanelWriter. All other tensors are as in a standard
// file, and so is the embedding unless it is the output, too.
type Native struct {
	Version int          `json:"version"`
	Rows    int          `json:"rows"`    // of a panel: those of the kernels it is made for
	Sources []SourceFile `json:"sources"` // the files with the weights that it was made from
}

// SourceFile is a file by its name, without a folder, and the SHA-256 of all of it.
type SourceFile struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

const (
	nativeArchitecture = "jamba-native"
	nativePrefix       = "jamba.native."
	nativeAlignment    = 64 // a line of the cache
	maxSources         = 1 << 16
)

// native is a file's tensors in panels.
type native struct {
	Native
	arch   string // of the network
	vocab  int    // of an embedding in panels
	panels map[string]panels
}

// panels are a matrix or, with more than one, a stack of them.
type panels struct {
	dtype tensor.DType
	name  string // in the file
}

// readNative returns what the file says of its layout, and nil if that is the standard one. It renames the infos of
// matrices in panels to their names in a standard file.
func readNative(f *gguf.File, infos map[string]gguf.Info) (*native, error) {
	if arch, err := gguf.GetOr(f.Metadata, "general.architecture", ""); err != nil || arch != nativeArchitecture {
		return nil, err
	}
	n := &native{panels: map[string]panels{}}
	r := newGGUFReader(ggufSource{File: f}, strings.TrimSuffix(nativePrefix, "."))
	if n.Version = need[int](r, "version"); r.err == nil && n.Version != kernel.PanelVersion {
		return nil, fmt.Errorf("native layout of version %d, this program reads %d: make the file again with jamba quantize --layout native", n.Version, kernel.PanelVersion)
	}
	n.arch, n.Rows, n.vocab = need[string](r, "architecture"), need[int](r, "rows"), read(r, "vocab_size", 0)
	names, sums := need[[]string](r, "source"), need[[]string](r, "sha256")
	if r.err != nil {
		return nil, r.err
	}
	if len(names) != len(sums) {
		return nil, fmt.Errorf("%ssource names %d files, %ssha256 has %d sums", nativePrefix, len(names), nativePrefix, len(sums))
	}
	if len(names) > maxSources {
		return nil, fmt.Errorf("%ssource names %d files, want at most %d", nativePrefix, len(names), maxSources)
	}
	for i, name := range names {
		n.Sources = append(n.Sources, SourceFile{printable.Cut(name, 255), printable.Cut(sums[i], 64)})
	}
	for _, info := range f.Tensors() {
		name, p, ok := inPanels(info)
		if !ok {
			continue
		}
		if _, twice := infos[name]; twice {
			return nil, fmt.Errorf("%s: tensor %s is there already", info.Name, name)
		}
		delete(infos, info.Name)
		n.panels[name], infos[name] = p, info
	}
	return n, nil
}

// inPanels returns the matrix' name in a standard file and how it lies here, if it lies in panels.
func inPanels(info gguf.Info) (name string, p panels, ok bool) {
	i := strings.LastIndexByte(info.Name, '.')
	if info.Type != gguf.I8 || i < 0 || p.dtype.UnmarshalText([]byte(info.Name[i+1:])) != nil || !p.dtype.Quantized() {
		return "", p, false
	}
	p.name = info.Name
	return info.Name[:i], p, true
}

// panelName is the inverse of inPanels.
func panelName(name string, d tensor.DType) string { return name + "." + strings.ToLower(d.String()) }

// check returns an error if the model cannot be opened with these options.
func (n *native) check(path string, o Options) error {
	anew := fmt.Sprintf("make it again from %s with jamba quantize --layout native", n.from())
	switch rows := kernel.PanelRows(); {
	case o.Weights != "":
		return fmt.Errorf("%s: its layout is native, its weights are rounded already; round those of what it was made from, %s", path, n.from())
	case o.Precision == Fast && rows != 0 && rows != n.Rows:
		return fmt.Errorf("%s: made for panels of %d rows; the kernels in use here, %s, take %d: %s", path, n.Rows, kernel.Tier(), rows, anew)
	}
	return nil
}

// from names what the file was made from.
func (n *Native) from() string {
	var names []string
	for _, s := range n.Sources {
		names = append(names, printable.Cut(s.Name, 100))
	}
	if len(names) > 2 {
		names = append(names[:1], fmt.Sprintf("%d more", len(names)-1))
	}
	return strings.Join(names, " and ")
}

// panels fetches count matrices [n, k] that lie in panels, or nil if name does not.
func (l *loader) panels(name string, count, n, k int) []kernel.Matrix {
	src, ok := l.source.(ggufSource)
	if !ok || src.native == nil || l.err != nil || l.absent {
		return nil
	}
	p, ok := src.native.panels[name]
	if !ok {
		return nil
	}
	b, err := src.Bytes(p.name)
	if err == nil && len(b)%count != 0 {
		err = fmt.Errorf("%d bytes of panels for %d matrices", len(b), count)
	}
	size := len(b) / count
	var all []kernel.Matrix
	for i := 0; i < count && err == nil; i++ {
		var w kernel.Matrix
		if w, err = kernel.FromPanels(p.dtype, src.native.Rows, n, k, b[i*size:(i+1)*size:(i+1)*size]); err == nil {
			all = append(all, w)
			l.size.Params += int64(n) * int64(k)
			l.size.Bytes += int64(w.Bytes())
		}
	}
	if err != nil {
		l.err = fmt.Errorf("%s: %w", p.name, err)
		return nil
	}
	l.used[name] = true
	return all
}

// packs reports whether x is to lie in panels: what Model.pack would pack.
func (e *exporter) packs(x *item) bool {
	looked := x.Name == ggufNames.embed && !e.Config.TieWordEmbeddings
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
	src.Name, src.Bytes, src.Shape = panelName(x.Name, x.To), true, append(slices.Clone(x.Shape[:dims-2]), size)
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
		case kv.Key == "general.alignment" || strings.HasPrefix(kv.Key, nativePrefix):
		case kv.Key == "general.architecture":
			out = append(out, gguf.Metadata{
				{Key: kv.Key, Value: nativeArchitecture},
				{Key: "general.alignment", Value: uint32(nativeAlignment)},
				{Key: nativePrefix + "version", Value: uint32(kernel.PanelVersion)},
				{Key: nativePrefix + "architecture", Value: kv.Value},
				{Key: nativePrefix + "rows", Value: uint32(e.rows)},
				{Key: nativePrefix + "vocab_size", Value: uint32(e.Config.VocabSize)},
				{Key: nativePrefix + "source", Value: names},
				{Key: nativePrefix + "sha256", Value: sums},
			}...)
		default:
			out = append(out, kv)
		}
	}
	return out, nil
}

// hash reads the source's files, or the file in this program.
func (e *exporter) hash() (all []SourceFile, _ error) {
	if data, ok := gguf.EmbeddedBytes(e.source.Paths()[0]); ok {
		sum := sha256.Sum256(data)
		return []SourceFile{{e.source.Paths()[0], hex.EncodeToString(sum[:])}}, nil
	}
	for _, path := range e.source.Paths() {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		e.total += info.Size()
	}
	buf := make([]byte, 1<<20)
	for _, path := range e.source.Paths() {
		sum := sha256.New()
		err := eachPiece(path, buf, func(b []byte) error {
			sum.Write(b)
			e.advance(len(b))
			return e.ctx.Err()
		})
		if err != nil {
			return nil, err
		}
		all = append(all, SourceFile{filepath.Base(path), hex.EncodeToString(sum.Sum(nil))})
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
