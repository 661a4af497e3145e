// Package lora is low-rank adapters (Hu et al. 2021, LoRA) as data: which modules of a network they change, by what,
// and how PEFT's files speak of them. The network's arithmetic with them is in packages model and train.
package lora

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"

	"jamba/internal/kernel"
	"jamba/model/param"
	"jamba/tensor"
)

// Module is a linear layer of a network, or its embedding, that an adapter can change.
type Module struct {
	Name string // in Hugging Face's classes, such as model.layers.3.mamba.in_proj
	param.ID
	Group   Group
	In, Out int  // its weight is [Out, In]; that of the embedding, from In tokens to vectors of Out, [In, Out]
	Tied    bool // it is the head, and has the embedding's weight
}

// Group is one of the parts of a layer that modules belong to. It is also a target's name.
type Group string

// The groups of modules.
const (
	Attention Group = "attention"
	Mamba     Group = "mamba"
	MLP       Group = "mlp"     // but not experts
	Experts   Group = "experts" // of a mixture
	Router    Group = "router"  // of a mixture; no target's name
	Embed     Group = "embed"   // the embedding of tokens
	Head      Group = "head"    // the output
)

// Pair is the change of one module: its weight becomes W + Scale·B·A, that of the embedding W + Scale·(B·A)ᵀ.
type Pair struct {
	Module
	R     int
	Scale float32
	A     []float32 // [R, In]
	B     []float32 // [Out, R]
}

// Matrices returns A and B as matrices over their memory.
func (p *Pair) Matrices() (a, b kernel.Matrix) {
	// Shapes that fit by construction give no error.
	a, _ = kernel.NewMatrix(tensor.FromFloat32s("lora_A", p.A, p.R, p.In))
	b, _ = kernel.NewMatrix(tensor.FromFloat32s("lora_B", p.B, p.Out, p.R))
	return a, b
}

// Columns gathers the columns of A that belong to tokens, low [len(tokens), R].
func (p *Pair) Columns(low []float32, tokens []int32) {
	for i, id := range tokens {
		for r := range p.R {
			low[i*p.R+r] = p.A[r*p.In+int(id)]
		}
	}
}

// Transposed returns the pair of the transposed weight, in memory of its own: it gives the head what p gives the
// embedding.
func (p *Pair) Transposed(to Module) *Pair {
	t := &Pair{Module: to, R: p.R, Scale: p.Scale}
	t.A, t.B = transpose(p.B, p.Out, p.R), transpose(p.A, p.R, p.In)
	return t
}

// transpose returns m [rows, columns] as [columns, rows].
func transpose(m []float32, rows, columns int) []float32 {
	t := make([]float32, len(m))
	for i := range rows {
		for j := range columns {
			t[j*rows+i] = m[i*columns+j]
		}
	}
	return t
}

// Whole is a weight that stands in the place of a module's own: one of modules_to_save, or what an adapter of the
// embedding or the head was trained beside.
type Whole struct {
	Module
	Weight tensor.Tensor // in memory of its own
	Saved  bool          // it is one of modules_to_save
}

// Same reports whether two weights are the same bytes.
func (w *Whole) Same(other *Whole) bool {
	return w.Weight.DType == other.Weight.DType && bytes.Equal(w.Weight.Data, other.Weight.Data)
}

// Adapter changes some modules of a network.
type Adapter struct {
	Config   Config
	Pairs    []*Pair // in the network's order
	Wholes   []Whole // at most those of the embedding and the head
	Warnings []string
}

// maxR bounds ranks of files, whose tensors have to be there. freeR bounds those of new adapters, unless a side of the
// module is longer: more only makes the same product larger.
const (
	maxR  = 1 << 16
	freeR = 1 << 10
)

// New returns an adapter of the modules that c's targets match, for training. It changes nothing yet: A is uniform up to
// 1/sqrt(In), which is what PEFT's kaiming_uniform_ comes to, the same for the same seed, and B is 0; for the embedding, A
// is 0 and B normal, as in PEFT. It is an error if a target matches no module.
func New(c Config, modules []Module, seed uint64) (*Adapter, error) {
	c, chosen, err := c.choose(modules)
	if err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(seed, 1))
	a := &Adapter{Config: c}
	for _, m := range chosen {
		p, err := c.pair(m)
		if err != nil {
			return nil, err
		}
		if limit := max(freeR, p.In, p.Out); p.R > limit {
			return nil, fmt.Errorf("%s: r is %d, more than %d are of no use there", m.Name, p.R, limit)
		}
		p.A, p.B = make([]float32, p.R*p.In), make([]float32, p.Out*p.R)
		if p.Group == Embed {
			for i := range p.B {
				p.B[i] = float32(r.NormFloat64())
			}
			a.Pairs = append(a.Pairs, p)
			continue
		}
		bound := 1 / math.Sqrt(float64(p.In))
		for i := range p.A {
			p.A[i] = float32(bound * (2*r.Float64() - 1))
		}
		a.Pairs = append(a.Pairs, p)
	}
	return a, nil
}

// pair returns the pair of m without its matrices.
func (c *Config) pair(m Module) (*Pair, error) {
	r, alpha := float64(c.R), c.Alpha
	if v, ok := c.ranks.of(m.Name); ok {
		r = v
	}
	if v, ok := c.alphas.of(m.Name); ok {
		alpha = v
	}
	if !(r >= 1 && r <= maxR) || r != math.Trunc(r) {
		return nil, fmt.Errorf("%s: r is %v, want an integer from 1 to %d", m.Name, r, maxR)
	}
	scale := alpha / r
	if c.RSLoRA {
		scale = alpha / math.Sqrt(r)
	}
	if s := float32(scale); math.IsNaN(scale) || math.IsInf(float64(s), 0) {
		return nil, fmt.Errorf("%s: lora_alpha %v over r %v is no scale", m.Name, alpha, r)
	}
	return &Pair{Module: m, R: int(r), Scale: float32(scale)}, nil
}

// Tensors returns the adapter's tensors by the names that PEFT gives them, in float32 but for Wholes.
func (a *Adapter) Tensors() (all []tensor.Tensor) {
	for _, p := range a.Pairs {
		all = append(all, tensor.FromFloat32s(p.NameA(), p.A, p.R, p.In), tensor.FromFloat32s(p.NameB(), p.B, p.Out, p.R))
	}
	for _, w := range a.Wholes {
		t := w.Weight
		if t.Name = prefix + w.Name + baseWeight; w.Saved {
			t.Name = prefix + w.Name + saved
		}
		all = append(all, t)
	}
	return all
}

// Hash returns a hash of all that the adapter changes numbers by.
func (a *Adapter) Hash() [32]byte {
	h := sha256.New()
	for _, p := range a.Pairs {
		fmt.Fprintf(h, "%v %v ", p.R, p.Scale)
	}
	for _, t := range a.Tensors() {
		fmt.Fprintf(h, "%q %v %v\n", t.Name, t.DType, t.Shape)
		h.Write(t.Data)
	}
	return [32]byte(h.Sum(nil))
}

// Params returns the number of the adapter's parameters.
func (a *Adapter) Params() int64 {
	var n int64
	for _, p := range a.Pairs {
		n += int64(len(p.A)) + int64(len(p.B))
	}
	return n
}
