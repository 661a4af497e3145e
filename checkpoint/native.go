package checkpoint

import (
	"fmt"
	"strings"

	"jamba/format/gguf"
	"jamba/internal/kernel"
	"jamba/internal/printable"
	"jamba/model"
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

// What a native file calls its architecture, and the beginning of the keys of its own.
const (
	NativeArchitecture = "jamba-native"
	NativePrefix       = "jamba.native."
)

const maxSources = 1 << 16

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
	if arch, err := gguf.GetOr(f.Metadata, "general.architecture", ""); err != nil || arch != NativeArchitecture {
		return nil, err
	}
	n := &native{panels: map[string]panels{}}
	r := newGGUFReader(ggufSource{File: f}, strings.TrimSuffix(NativePrefix, "."))
	if n.Version = need[int](r, "version"); r.err == nil && n.Version != kernel.PanelVersion {
		return nil, fmt.Errorf("native layout of version %d, this program reads %d: make the file again with jamba quantize --layout native", n.Version, kernel.PanelVersion)
	}
	n.arch, n.Rows, n.vocab = need[string](r, "architecture"), need[int](r, "rows"), read(r, "vocab_size", 0)
	names, sums := need[[]string](r, "source"), need[[]string](r, "sha256")
	if r.err != nil {
		return nil, r.err
	}
	if len(names) != len(sums) {
		return nil, fmt.Errorf("%ssource names %d files, %ssha256 has %d sums", NativePrefix, len(names), NativePrefix, len(sums))
	}
	if len(names) > maxSources {
		return nil, fmt.Errorf("%ssource names %d files, want at most %d", NativePrefix, len(names), maxSources)
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

// PanelName returns the name in a native file of a matrix that has that name in a standard one.
func PanelName(name string, d tensor.DType) string { return name + "." + strings.ToLower(d.String()) }

// check returns an error if the model cannot be opened with these options.
func (n *native) check(path string, o Options) error {
	again := fmt.Sprintf("make it again from %s with jamba quantize --layout native", n.From())
	switch rows := kernel.PanelRows(); {
	case o.Weights != "":
		return fmt.Errorf("%s: its layout is native, its weights are rounded already; round those of what it was made from, %s", path, n.From())
	case o.Precision == model.Fast && rows != 0 && rows != n.Rows:
		return fmt.Errorf("%s: made for panels of %d rows; the kernels in use here, %s, take %d: %s", path, n.Rows, kernel.Tier(), rows, again)
	}
	return nil
}

// From names what the file was made from.
func (n *Native) From() string {
	var names []string
	for _, s := range n.Sources {
		names = append(names, printable.Cut(s.Name, 100))
	}
	if len(names) > 2 {
		names = append(names[:1], fmt.Sprintf("%d more", len(names)-1))
	}
	return strings.Join(names, " and ")
}
