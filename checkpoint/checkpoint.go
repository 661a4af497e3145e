// Package checkpoint opens the model at a path once: its weights, its tokenizer and chat templates, and how its answers are
// made. It knows folders as Hugging Face lays them out, GGUF files and those of native layout.
//
// folder.go and gguf.go open a path; hf.go and its neighbours read config.json, ggufkeys.go metadata; source.go gives the
// network its parameters; adapter.go reads and writes PEFT's folders.
package checkpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"jamba/format/gguf"
	"jamba/internal/kernel"
	"jamba/model"
	"jamba/model/param"
	"jamba/quantize/recipe"
	"jamba/tensor"
	"jamba/text"
)

// Checkpoint is the open model of a path.
type Checkpoint struct {
	Path   string
	Config model.Config
	Native *Native // nil: the layout is a standard one

	names    *param.Names // of its tensors
	tensors  Tensors
	settings []byte     // config.json; nil: a GGUF file
	file     *gguf.File // nil: a folder
	native   *native
	warnings []string // of the files
	notes    notes    // of loading
	close    sync.Once
}

// Tensors are a checkpoint's tensors by their names there.
type Tensors interface {
	Has(name string) bool
	Tensor(name string) (tensor.Tensor, error)
	Names() []string
	Paths() []string       // of the files that they are in
	ReleaseBytes(b []byte) // that are not needed for now; other memory is left alone
	Close() error
}

// notes are what loading tells of a checkpoint.
type notes struct {
	unused   []string // tensors
	warnings []string
}

// Open opens the model at path, a folder in Hugging Face layout or a .gguf file. Nothing is read of its weights. Errors name
// the file and the setting or tensor.
func Open(path string) (*Checkpoint, error) {
	if err := kernel.Check(); err != nil {
		return nil, err
	}
	if gguf.Embedded(path) {
		return openGGUF(path)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s: no such file or folder; %s", path, whatIsAModel)
	case err != nil:
		return nil, err
	case info.IsDir():
		return openDir(path)
	case strings.HasSuffix(path, ".safetensors") || strings.HasSuffix(path, ".json"):
		return nil, fmt.Errorf("%s: give the folder that it is in; %s", path, whatIsAModel)
	}
	return openGGUF(path)
}

// Close releases the files, if that of a model has not done it.
func (c *Checkpoint) Close() (err error) {
	c.close.Do(func() { err = c.tensors.Close() })
	return err
}

// Options say how to load a model. The zero value is the exact pass.
type Options struct {
	Precision model.Precision
	Stage     model.Stage             // load these layers alone; the zero value is all
	KV        tensor.DType            // keep keys and values as F32, F16 or Q8_0; Invalid: as Precision.KV says
	Weights   recipe.Recipe           // round weights that are not quantized to one of recipe.WeightRecipes; "": use them as they are
	Adapter   string                  // a folder with a low-rank adapter as PEFT lays it out, see model.Attach; empty: none
	Progress  func(done, total int64) // told of the bytes of weights that are ready; may be nil
	Context   context.Context         // ends loading, with its error; nil: nothing does
}

// OpenModel opens a path and loads the model in it. Closing the model closes the files.
func OpenModel(path string, o Options) (*model.Model, error) {
	return openWith(path, func(c *Checkpoint) (*model.Model, error) { return c.Model(o) })
}

// OpenForTraining opens the model in a folder in Hugging Face layout and copies its weights into memory, as float32.
func OpenForTraining(dir string) (*model.Model, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, notForTraining(dir)
	}
	return openWith(dir, (*Checkpoint).ForTraining)
}

func notForTraining(path string) error {
	return fmt.Errorf("%s: models to train are folders with config.json and model.safetensors; beside a GGUF file an adapter can be trained", path)
}

// OpenFrozen opens the model at path, a folder or a GGUF file, to train an adapter beside it; see model.LoadFrozen.
func OpenFrozen(path string) (*model.Model, error) { return openWith(path, (*Checkpoint).Frozen) }

func openWith(path string, load func(*Checkpoint) (*model.Model, error)) (*model.Model, error) {
	c, err := Open(path)
	if err != nil {
		return nil, err
	}
	m, err := load(c)
	if err != nil {
		c.Close()
	}
	return m, err
}

// Model loads the network. Closing it closes the checkpoint. It is to be called once.
func (c *Checkpoint) Model(o Options) (*model.Model, error) {
	kv, err := o.Precision.KVType(o.KV)
	if err != nil {
		return nil, err
	}
	ctx := o.Context
	if ctx == nil {
		ctx = context.Background()
	}
	m, err := c.load(func(src model.Source) (*model.Model, error) { return model.Load(c.Config, o.Stage, src) })
	if err != nil {
		return nil, err
	}
	if c.native != nil {
		if err := c.native.check(c.Path, o); err != nil {
			return nil, err
		}
	}
	if o.Adapter != "" {
		a, err := OpenAdapter(o.Adapter, m.Modules())
		if err == nil {
			err = m.Attach(a)
		}
		if err != nil {
			return nil, err
		}
		c.notes.warnings = append(c.notes.warnings, m.AdapterWarnings()...)
	}
	if o.Weights != "" {
		choose, err := o.Weights.Choice(&c.Config)
		if err == nil {
			err = m.Round(ctx, choose, o.Progress)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Path, err)
		}
	}
	if err := m.Prepare(ctx, o.Precision, kv, o.Progress); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Path, err)
	}
	return m, nil
}

// ForTraining copies a folder's weights into memory, as float32, and closes the checkpoint.
func (c *Checkpoint) ForTraining() (*model.Model, error) {
	if c.file != nil {
		return nil, notForTraining(c.Path)
	}
	m, err := c.load(func(src model.Source) (*model.Model, error) { return model.LoadForTraining(c.Config, src) })
	if err != nil {
		return nil, err
	}
	return m, c.Close()
}

// Frozen loads the network to train an adapter beside it; see model.LoadFrozen.
func (c *Checkpoint) Frozen() (*model.Model, error) {
	if c.Native != nil {
		return nil, fmt.Errorf("%s: its layout is native, which is for computing only; train beside what it was made from, %s", c.Path, c.Native.From())
	}
	return c.load(func(src model.Source) (*model.Model, error) { return model.LoadFrozen(c.Config, src) })
}

// load loads a model, and notes what that tells of the checkpoint.
func (c *Checkpoint) load(load func(model.Source) (*model.Model, error)) (*model.Model, error) {
	src := &source{Checkpoint: c, used: map[string]bool{}}
	m, err := load(src)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Path, err)
	}
	src.used[c.names.Head] = true
	// They are read with the settings.
	src.used[param.RopeFactors] = slices.ContainsFunc(c.Config.Layers, func(l model.Layer) bool {
		return l.Attention != nil && l.Attention.RoPE != nil && l.Attention.RoPE.FreqFactors != nil
	})
	var unused []string
	for _, name := range c.tensors.Names() {
		// Old checkpoints carry the rotary frequencies, which follow from the settings.
		if !src.used[name] && !strings.HasSuffix(name, "rotary_emb.inv_freq") {
			unused = append(unused, name)
		}
	}
	if c.file != nil {
		if err := foreignTensors(unused, len(c.Config.Layers)); err != nil {
			return nil, fmt.Errorf("%s: %w", c.Path, err)
		}
	}
	biases := slices.DeleteFunc(slices.Clone(unused), func(name string) bool { return !strings.HasSuffix(name, ".bias") })
	c.notes = notes{unused, append(named(src.zeros, "missing, taken as zeros"), named(biases, "not added, since the settings say that there are no such biases")...)}
	return m, nil
}

// Warnings returns what a user should know of the checkpoint, when its model is loaded also of that, and of its adapter. They
// may quote its text, which is not fit to be printed as it is.
func (c *Checkpoint) Warnings() []string { return slices.Concat(c.warnings, c.notes.warnings) }

// Unused returns the tensors that the network has no use for, when its model is loaded.
func (c *Checkpoint) Unused() []string { return slices.Clone(c.notes.unused) }

// Metadata returns the metadata of a GGUF file; nil: it is a folder.
func (c *Checkpoint) Metadata() gguf.Metadata {
	if c.file == nil {
		return nil
	}
	return c.file.Metadata
}

// File returns the GGUF file; nil: it is a folder.
func (c *Checkpoint) File() *gguf.File { return c.file }

// Tensors returns the tensors by the names that Names gives them.
func (c *Checkpoint) Tensors() Tensors { return c.tensors }

// Names returns what the checkpoint calls parameters.
func (c *Checkpoint) Names() *param.Names { return c.names }

// Setting returns the value of a key of config.json; nil: it has none, or the checkpoint is a GGUF file.
func (c *Checkpoint) Setting(key string) json.RawMessage {
	var all map[string]json.RawMessage
	_ = json.Unmarshal(c.settings, &all) // it was parsed before
	return all[key]
}

// Text returns the tokenizer and the chat templates. If there is no tokenizer in a folder, the error wraps fs.ErrNotExist.
func (c *Checkpoint) Text() (*text.Text, error) {
	if c.file == nil {
		return text.Open(c.Path)
	}
	t, err := text.FromGGUF(c.file.Metadata)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Path, err)
	}
	return t, nil
}
