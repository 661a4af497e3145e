package lora

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"jamba/internal/kernel/quant"
	"jamba/internal/printable"
	"jamba/tensor"
)

// What the names of an adapter's tensors begin and end with.
const (
	prefix     = "base_model.model."
	SuffixA    = ".lora_A.weight"
	SuffixB    = ".lora_B.weight"
	embedA     = ".lora_embedding_A"
	embedB     = ".lora_embedding_B"
	baseWeight = ".base_layer.weight"
	saved      = ".weight"
)

// suffixes are those of tensors, those that end others after them.
var suffixes = []string{SuffixA, SuffixB, embedA, embedB, baseWeight, saved}

// reading makes an adapter of the tensors of a file.
type reading struct {
	file    Tensors
	config  *Config
	match   *matcher
	modules map[string]Module
	pairs   map[string]*Pair
	wholes  map[string]Whole
}

// Tensors are an adapter's tensors by the names that PEFT gives them.
type Tensors interface {
	Names() []string
	Tensor(name string) (tensor.Tensor, error)
}

// Read makes an adapter with settings c, for a network with these modules, of the tensors of a file. Matrices are copied, as
// float32. It is an error if a tensor does not fit the network or the settings; what else is passed over Warnings tell.
func Read(file Tensors, c Config, modules []Module) (*Adapter, error) {
	match, err := c.matcher()
	if err != nil {
		return nil, err
	}
	r := &reading{file, &c, match, map[string]Module{}, map[string]*Pair{}, map[string]Whole{}}
	for _, m := range modules {
		r.modules[m.Name] = m
		if m.Tied && c.tying {
			match.tied = true
		}
	}
	for _, name := range file.Names() {
		if err := r.tensor(name); err != nil {
			return nil, err
		}
	}
	a := &Adapter{Config: c}
	for _, m := range modules {
		if w, ok := r.wholes[m.Name]; ok {
			a.Wholes = append(a.Wholes, w)
		}
		p := r.pairs[m.Name]
		switch {
		case p == nil:
			continue
		case p.A == nil:
			return nil, fmt.Errorf("%s is missing beside %s", p.NameA(), p.NameB())
		case p.B == nil:
			return nil, fmt.Errorf("%s is missing beside %s", p.NameB(), p.NameA())
		}
		a.Pairs = append(a.Pairs, p)
	}
	if len(a.Pairs)+len(a.Wholes) == 0 {
		return nil, errors.New("there is no tensor in it")
	}
	a.share(modules)
	if match.tied {
		if err := a.tie(modules); err != nil {
			return nil, err
		}
	}
	return a, r.lost(a, modules)
}

// tensor takes one tensor of the file.
func (r *reading) tensor(name string) error {
	shown := printable.Cut(name, 200)
	i := slices.IndexFunc(suffixes, func(s string) bool { return strings.HasSuffix(name, s) })
	module, ok := strings.CutPrefix(name, prefix)
	if !ok || i < 0 {
		return fmt.Errorf("%s: want names such as %smodel.layers.0.self_attn.q_proj%s and %s", shown, prefix, SuffixA, SuffixB)
	}
	suffix := suffixes[i]
	module = strings.TrimSuffix(module, suffix)
	m, known := r.modules[module]
	switch {
	case !known && suffix == saved:
		return fmt.Errorf("%s: a whole weight (modules_to_save); those of the embedding and the head are supported", shown)
	case !known:
		return fmt.Errorf("%s: the model has no module %s that can be adapted", shown, printable.Cut(module, 200))
	case suffix == saved || suffix == baseWeight:
		_, isSaved := ending(r.match.saved, module)
		return r.whole(name, m, suffix == saved && isSaved)
	case (suffix == embedA || suffix == embedB) != (m.Group == Embed):
		return fmt.Errorf("%s: the module %s has other names, %s and %s", shown, module, (&Pair{Module: m}).NameA(), (&Pair{Module: m}).NameB())
	}
	why, err := r.match.leaves(m)
	if err != nil {
		return fmt.Errorf("%s: %w", why, err)
	}
	if why != "" && !(r.match.tied && m.Layer < 0) {
		if why == "target_modules" {
			why += " do not match"
		} else {
			why += " leaves out"
		}
		return fmt.Errorf("%s: %s the module %s", shown, why, module)
	}
	p := r.pairs[module]
	if p == nil {
		if p, err = r.config.pair(m); err != nil {
			return err
		}
		r.pairs[module] = p
	}
	if suffix == SuffixA || suffix == embedA {
		p.A, err = r.floats(name, p.R, m.In)
	} else {
		p.B, err = r.floats(name, m.Out, p.R)
	}
	return err
}

// whole takes a weight that stands in the place of the module's own.
func (r *reading) whole(name string, m Module, isSaved bool) error {
	shape := []int{m.Out, m.In}
	switch m.Group {
	case Embed:
		shape = []int{m.In, m.Out}
	case Head:
	default:
		return fmt.Errorf("%s: a whole weight; those of the embedding and the head are supported", name)
	}
	t, err := r.file.Tensor(name)
	if err != nil {
		return err
	}
	if !slices.Equal(t.Shape, shape) {
		return fmt.Errorf("%s: shape %v, want %v; was the vocabulary resized for the adapter?", name, t.Shape, shape)
	}
	if _, twice := r.wholes[m.Name]; twice {
		return fmt.Errorf("%s: the weight is there twice, also as %s", name, prefix+m.Name+baseWeight)
	}
	t.Data = slices.Clone(t.Data)
	r.wholes[m.Name] = Whole{m, t, isSaved}
	return nil
}

// floats copies a tensor of that shape.
func (r *reading) floats(name string, shape ...int) ([]float32, error) {
	t, err := r.file.Tensor(name)
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

// share gives both the embedding and the head of a tied model the weight that stands in the place of the one they have: but
// for modules_to_save, which are copies of their own.
func (a *Adapter) share(modules []Module) {
	i := slices.IndexFunc(modules, func(m Module) bool { return m.Tied })
	if i < 0 || len(a.Wholes) != 1 || a.Wholes[0].Saved {
		return
	}
	w := a.Wholes[0]
	if w.Group == Embed {
		w.Module = modules[i]
		a.Wholes = append(a.Wholes, w)
		return
	}
	w.Module = modules[slices.IndexFunc(modules, func(m Module) bool { return m.Group == Embed })]
	a.Wholes = []Whole{w, a.Wholes[0]}
}

// tie gives the head of a tied model what the embedding has, as ensure_weight_tying says.
func (a *Adapter) tie(modules []Module) error {
	var embed, head *Pair
	var to Module
	for _, p := range a.Pairs {
		switch p.Group {
		case Embed:
			embed = p
		case Head:
			head = p
		}
	}
	for _, m := range modules {
		if m.Tied {
			to = m
		}
	}
	if embed != nil {
		own := embed.Transposed(to)
		scaled, err := a.Config.pair(to)
		if err != nil {
			return err
		}
		own.Scale = scaled.Scale
		if head != nil && (head.R != own.R || !slices.Equal(head.A, own.A) || !slices.Equal(head.B, own.B)) {
			return fmt.Errorf("%s: is not that of the embedding, as ensure_weight_tying says", head.NameA())
		}
		if head == nil {
			a.Pairs = append(a.Pairs, own)
		}
	} else if head != nil {
		return fmt.Errorf("%s: there is none for the embedding, to which ensure_weight_tying ties it", head.NameA())
	}
	if len(a.Wholes) == 1 && a.Wholes[0].Group == Embed {
		w := a.Wholes[0]
		w.Module = to
		a.Wholes = append(a.Wholes, w)
	}
	return nil
}

// lost warns of what the settings name and the adapter or the model has not.
func (r *reading) lost(a *Adapter, modules []Module) error {
	if without := r.match.withoutModule(modules); len(without) > 0 {
		shown := make([]string, 0, 5)
		for _, name := range without[:min(len(without), 5)] {
			shown = append(shown, printable.Cut(name, 50))
		}
		if len(without) > 5 {
			shown = append(shown, "…")
		}
		a.Warnings = append(a.Warnings, "target_modules has "+strings.Join(shown, ", ")+"; the model has no such module")
	}
	matched, err := r.match.matched(modules)
	if err != nil {
		return err
	}
	var bare []string
	for _, m := range matched {
		if r.pairs[m.Name] == nil && !(r.match.tied && m.Tied) {
			bare = append(bare, m.Name)
		}
	}
	if len(bare) > 0 {
		a.Warnings = append(a.Warnings, fmt.Sprintf("target_modules match %d modules that the adapter has no tensors for, such as %s; they stay as they are", len(bare), bare[0]))
	}
	for _, name := range r.config.saved {
		if !slices.ContainsFunc(a.Wholes, func(w Whole) bool { _, ok := ending(set([]string{name}), w.Name); return ok }) && len(a.Warnings) < maxWarnings {
			a.Warnings = append(a.Warnings, fmt.Sprintf("modules_to_save has %s; the adapter has no such tensor", printable.Cut(name, maxShown)))
		}
	}
	return nil
}

// NameA returns the name of the tensor A in PEFT's files.
func (p *Pair) NameA() string {
	if p.Group == Embed {
		return prefix + p.Name + embedA
	}
	return prefix + p.Name + SuffixA
}

// NameB returns the name of the tensor B in PEFT's files.
func (p *Pair) NameB() string {
	if p.Group == Embed {
		return prefix + p.Name + embedB
	}
	return prefix + p.Name + SuffixB
}
