package quantize

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"jamba/checkpoint"
	"jamba/format/safetensors"
	"jamba/internal/durable"
	"jamba/internal/kernel"
	"jamba/internal/kernel/quant"
	"jamba/model/lora"
	"jamba/model/param"
	"jamba/tensor"
)

// Merge makes the folder out, which must not be there yet, of the model in the folder base, in Hugging Face layout, and an
// adapter in PEFT's: each weight W that it changes becomes W + Scale·B·A, computed in float32, a few rows at a time, and
// rounded once, to the type that W is stored in. All else is copied: other tensors, settings, the tokenizer. If the
// embedding and the head of a tied model become different ones, both are written, and config.json says that they are not
// tied. The folder is whole or not there.
func Merge(base, adapter, out string) error {
	if info, err := os.Stat(base); err == nil && !info.IsDir() {
		return fmt.Errorf("%s: models to merge with an adapter are folders with config.json and model.safetensors", base)
	}
	c, err := checkpoint.Open(base)
	if err != nil {
		return err
	}
	defer c.Close()
	m, err := c.Model(checkpoint.Options{Adapter: adapter})
	if err != nil {
		return err
	}
	tensors, known, adapted := c.Tensors(), c.Names(), m.Adapter()
	names := tensors.Names()
	from := map[string]string{} // the tensor of the checkpoint that another is made of
	untied := c.Config.TieWordEmbeddings && unties(adapted)
	if c.Config.TieWordEmbeddings {
		shared := known.Embed
		if !tensors.Has(shared) {
			shared = known.Head
		}
		names = slices.DeleteFunc(names, func(name string) bool { return name == known.Embed || name == known.Head })
		from[known.Embed] = shared
		names = append(names, known.Embed)
		if untied {
			from[known.Head] = shared
			names = append(names, known.Head)
		}
	}
	changes := map[string][]change{}
	for _, p := range adapted.Pairs {
		x := place(c, p)
		changes[x.tensor] = append(changes[x.tensor], x)
	}
	var entries []safetensors.Entry
	for _, name := range names {
		t, err := tensors.Tensor(cmp.Or(from[name], name))
		if err != nil {
			return fmt.Errorf("%s: %w", base, err)
		}
		if t.DType == tensor.F8_E4M3 || t.DType == tensor.F8_E5M2 {
			return fmt.Errorf("%s: %s: weights of type %v are only read; adapters are merged into models of F32, F16 or BF16", base, name, t.DType)
		}
		t.Name = name
		e, own, x := safetensors.Of(t), t, changes[name]
		i := slices.IndexFunc(adapted.Wholes, func(w lora.Whole) bool { return w.Name+".weight" == name })
		if i >= 0 {
			own = adapted.Wholes[i].Weight
		}
		if x != nil || i >= 0 {
			e.Write = func(w io.Writer) error { return writeMerged(w, own, t.DType, x) }
		}
		entries = append(entries, e)
	}
	return durable.WriteDir(out, func(dir string) error {
		if err := safetensors.WriteDir(dir, entries, 0); err != nil {
			return err
		}
		if err := copyBeside(dir, base); err != nil || !untied {
			return err
		}
		return checkpoint.SetConfig(filepath.Join(dir, "config.json"), "tie_word_embeddings", false)
	})
}

// unties reports whether the adapter makes the head of a tied model another matrix than the embedding.
func unties(a *lora.Adapter) bool {
	var embed, head *lora.Pair
	for _, p := range a.Pairs {
		switch p.Group {
		case lora.Embed:
			embed = p
		case lora.Head:
			head = p
		}
	}
	wholes := a.Wholes
	switch {
	case len(wholes) == 1:
		return true
	case len(wholes) == 2 && !wholes[0].Same(&wholes[1]):
		return true
	case embed == nil || head == nil:
		return embed != head
	}
	same := embed.Transposed(head.Module)
	return same.R != head.R || same.Scale != head.Scale || !slices.Equal(same.A, head.A) || !slices.Equal(same.B, head.B)
}

// change is a pair with the tensor of the checkpoint that it changes, from a row on.
type change struct {
	*lora.Pair
	tensor string
	row    int
}

// place finds where a checkpoint in Hugging Face layout has a module's weight: in a tensor of its own or, for experts, in a
// stack of all of them.
func place(c *checkpoint.Checkpoint, p *lora.Pair) change {
	names := c.Names()
	own := change{p, p.Name + ".weight", 0}
	if p.Group == lora.Embed {
		of := p.Module
		of.In, of.Out = p.Out, p.In // its weight as that of a linear layer
		own.Pair = p.Transposed(of)
	}
	if p.Expert < 0 || c.Tensors().Has(own.tensor) {
		return own
	}
	switch p.Part {
	case param.DownProj:
		return change{p, names.StackOf(p.Layer, p.Part), p.Expert * p.Out}
	case param.UpProj:
		return change{p, names.GateUpOf(p.Layer), (2*p.Expert + 1) * p.Out}
	}
	return change{p, names.GateUpOf(p.Layer), 2 * p.Expert * p.Out}
}

// writeMerged writes a tensor as type d after changes to rows of it.
func writeMerged(w io.Writer, t tensor.Tensor, d tensor.DType, changes []change) error {
	k := t.Shape[len(t.Shape)-1]
	rows := t.Numel() / k
	const piece = 1 << 18 // values at a time
	step := min(rows, max(1, piece/k))
	values, delta := make([]float32, step*k), make([]float32, step*k)
	size := k * d.BlockBytes()
	out := make([]byte, step*size)
	for lo := 0; lo < rows; lo += step {
		hi := min(lo+step, rows)
		v, b := values[:(hi-lo)*k], out[:(hi-lo)*size]
		quant.Values(v, t, lo*k)
		for _, c := range changes {
			// The rows of the change that are among these.
			first, last := max(lo, c.row), min(hi, c.row+c.Out)
			if first >= last {
				continue
			}
			part := delta[:(last-first)*k]
			kernel.Product(part, c.B[(first-c.row)*c.R:(last-c.row)*c.R], c.A, k, c.R, false)
			kernel.AddScaled(v[(first-lo)*k:(last-lo)*k], c.Scale, part)
		}
		if !kernel.Finite(v) {
			return errors.New("a merged weight is infinite or NaN")
		}
		if err := kernel.Quantize(b, d, v); err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// copyBeside copies what lies in a model's folder beside its weights.
func copyBeside(to, from string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(from, e.Name())
		info, err := os.Stat(path) // folders may hold links to files elsewhere
		if err != nil || !info.Mode().IsRegular() || isWeights(e.Name()) {
			continue
		}
		if err := copyFile(filepath.Join(to, e.Name()), path, info.Mode()); err != nil {
			return err
		}
	}
	return nil
}

// isWeights reports whether a file of that name holds a model's weights or an index of them, or is hidden.
func isWeights(name string) bool {
	for _, end := range []string{".safetensors", ".index.json", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return strings.HasPrefix(name, ".")
}

func copyFile(to, from string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode.Perm()|0o200)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	return errors.Join(err, f.Close())
}
