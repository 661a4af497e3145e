package lora

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"jamba/format/bounded"
	"jamba/format/durable"
	"jamba/format/safetensors"
	"jamba/kernel/quant"
	"jamba/tensor"
)

// Names of an adapter's files, and what its tensors' names begin and end with.
const (
	configFile = "adapter_config.json"
	tensorFile = "adapter_model.safetensors"
	prefix     = "base_model.model."
	SuffixA    = ".lora_A.weight"
	SuffixB    = ".lora_B.weight"
)

// maxConfig bounds the bytes of the settings.
const maxConfig = 16 << 20

// Open reads the adapter in a folder as PEFT lays it out, for a network with these modules. Its matrices are copied into
// memory, as float32. It is an error, which names the setting or tensor, if something of it does not fit the network or
// cannot be honoured.
func Open(dir string, modules []Module) (*Adapter, error) {
	path := filepath.Join(dir, configFile)
	b, err := bounded.ReadFile(path, maxConfig)
	switch info, statErr := os.Stat(dir); {
	case statErr == nil && !info.IsDir():
		return nil, fmt.Errorf("%s: an adapter is a folder with %s and %s", dir, configFile, tensorFile)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: no such file; an adapter is a folder with %s and %s", path, configFile, tensorFile)
	case err != nil:
		return nil, err
	}
	c, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	path = filepath.Join(dir, tensorFile)
	file, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	a, err := read(file, c, modules)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// read makes an adapter of the tensors of a file.
func read(file *safetensors.File, c Config, modules []Module) (*Adapter, error) {
	match, err := c.matcher()
	if err != nil {
		return nil, err
	}
	a, byName := &Adapter{Config: c}, map[string]Module{}
	for _, m := range modules {
		byName[m.Name] = m
	}
	found := map[string]*Pair{}
	for _, name := range file.Names() {
		module, isA := strings.CutSuffix(name, SuffixA)
		module, isB := strings.CutSuffix(module, SuffixB)
		module, ok := strings.CutPrefix(module, prefix)
		m, known := byName[module]
		switch {
		case !ok || isA == isB:
			return nil, fmt.Errorf("%s: want names such as %smodel.layers.0.self_attn.q_proj%s and %s", name, prefix, SuffixA, SuffixB)
		case !known:
			return nil, fmt.Errorf("%s: the model has no module %s that can be adapted", name, module)
		case !match(m):
			return nil, fmt.Errorf("%s: target_modules do not match the module %s", name, module)
		}
		p := found[module]
		if p == nil {
			if p, err = c.pair(m); err != nil {
				return nil, err
			}
			found[module] = p
		}
		if isA {
			p.A, err = floats(file, name, p.R, m.In)
		} else {
			p.B, err = floats(file, name, m.Out, p.R)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, m := range modules {
		p := found[m.Name]
		switch {
		case p == nil:
			continue
		case p.A == nil:
			return nil, fmt.Errorf("%s%s%s is missing beside %s", prefix, m.Name, SuffixA, SuffixB)
		case p.B == nil:
			return nil, fmt.Errorf("%s%s%s is missing beside %s", prefix, m.Name, SuffixB, SuffixA)
		}
		a.Pairs = append(a.Pairs, p)
	}
	if len(a.Pairs) == 0 {
		return nil, errors.New("there is no tensor in it")
	}
	for _, target := range c.Targets {
		if !slices.ContainsFunc(a.Pairs, func(p *Pair) bool { return ends(p.Name, target) }) {
			return nil, fmt.Errorf("target_modules has %q, but there is no tensor of such a module", target)
		}
	}
	return a, nil
}

// floats copies a tensor of that shape.
func floats(file *safetensors.File, name string, shape ...int) ([]float32, error) {
	t, err := file.Tensor(name)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(t.Shape, shape) {
		return nil, fmt.Errorf("%s: shape %v, want %v", name, t.Shape, shape)
	}
	f := make([]float32, t.Numel())
	quant.Dequantize(f, t.DType, t.Data)
	return f, nil
}

// Write writes the adapter into a folder, which it makes if need be, as PEFT lays it out, in float32. Each of its two files
// is replaced as a whole; the settings come last.
func (a *Adapter) Write(dir string) error {
	config, err := a.Config.JSON()
	if err != nil {
		return fmt.Errorf("%s: %w", configFile, err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	var entries []safetensors.Entry
	for _, p := range a.Pairs {
		entries = append(entries,
			safetensors.Of(tensor.FromFloat32s(p.NameA(), p.A, p.R, p.In)),
			safetensors.Of(tensor.FromFloat32s(p.NameB(), p.B, p.Out, p.R)))
	}
	if err := safetensors.WriteFile(filepath.Join(dir, tensorFile), entries, nil); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, configFile), func(f *os.File) error {
		_, err := f.Write(config)
		return err
	})
}

// NameA returns the name of the tensor A in PEFT's files.
func (p *Pair) NameA() string { return prefix + p.Name + SuffixA }

// NameB returns the name of the tensor B in PEFT's files.
func (p *Pair) NameB() string { return prefix + p.Name + SuffixB }
