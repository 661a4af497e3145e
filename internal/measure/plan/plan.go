// Package plan computes what a model takes and how fast it can be on paper, from its schedule: memory for weights, keys and
// values, states and activations, the longest context and the largest batch that fit, and the bounds of decode and prefill.
package plan

import (
	"fmt"
	"strings"

	"jamba/internal/measure/bench"
	"jamba/model"
	"jamba/model/state"
	"jamba/tensor"
)

// Network is a model to plan for.
type Network struct {
	Name    string
	Config  model.Config
	Sizes   model.Sizes // see Weigh
	Weights string      // the types that they count, in a few words
}

// Setting is what is planned for.
type Setting struct {
	Memory  int64 // bytes of each device
	Devices int   // each with a run of layers
	Context int   // tokens of each sequence
	Batch   int   // sequences
	KV      tensor.DType
	Prefill Prefill
	Limits  bench.Limits // of a device; a zero: rates are not bounded by that, both: not computed
}

// Prefill is how prompts are computed, which decides about activations.
type Prefill string

const (
	// Chunked is this engine's way: passes of some tokens with float32 activations.
	Chunked Prefill = "chunked"
	// Whole is a pass of all prompts of a batch at once, with activations of 16 bits: a model of what other engines did when
	// the papers were written.
	Whole Prefill = "whole"
)

// Bounds of what is planned for, and of the largest that are looked for.
const (
	MaxContext = 1 << 28
	MaxBatch   = 1 << 16
	MaxDevices = 1 << 10
)

// Parts are bytes by what they are for.
type Parts struct {
	Weights     int64 `json:"weights_bytes"`
	KV          int64 `json:"kv_bytes"`
	State       int64 `json:"state_bytes"`
	Activations int64 `json:"activation_bytes"`
	Program     int64 `json:"program_bytes"`
}

// Total adds up all parts.
func (p Parts) Total() int64 {
	return plus(plus(plus(p.Weights, p.KV), plus(p.State, p.Activations)), p.Program)
}

// program is what this engine takes beside the model, on each device: its code, the tokenizer and Go's runtime. Measured: a peak of
// 30 MB to tokenize with a vocabulary of 65,536, of 32 MB beyond the model's own to run one of 24 M parameters.
const program = 32 << 20

// Part names one of Parts.
type Part string

// The parts, and what a bound is where nothing binds.
const (
	Weights     Part = "weights"
	KV          Part = "kv"
	State       Part = "state"
	Activations Part = "activations"
	Program     Part = "program"
	Nothing     Part = "nothing"
)

// Plan is what Make finds.
type Plan struct {
	Model        string  `json:"model"`
	Weights      string  `json:"weights"`
	KV           string  `json:"kv"`
	Context      int     `json:"context"`
	Batch        int     `json:"batch"`
	Prefill      Prefill `json:"prefill"`
	Devices      int     `json:"devices"`
	Memory       int64   `json:"memory_bytes"` // of each device
	Parts                // of all devices
	Total        int64   `json:"total_bytes"`
	Fits         bool    `json:"fits"`
	ParamsTotal  int64   `json:"params_total"`
	ParamsActive int64   `json:"params_active"`
	ModelContext int     `json:"model_context,omitempty"` // the longest that the model was made for
	MaxContext   int     `json:"max_context"`             // that fits with this batch; MaxContext if nothing binds
	ContextBound Part    `json:"context_bound"`           // what grows most up to there
	MaxBatch     int     `json:"max_batch"`               // that fits with this context
	BatchBound   Part    `json:"batch_bound"`
	Split        []Share `json:"split,omitempty"` // by device, if there are several

	Decode      *bench.Bound `json:"decode,omitempty"`
	PrefillRate *bench.Bound `json:"prefill_rate,omitempty"`
}

// Make plans for a network.
func Make(n *Network, s Setting) (*Plan, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	total := n.Sizes.Total()
	p := &Plan{
		Model: n.Name, Weights: n.Weights, KV: strings.ToLower(s.KV.String()), Context: s.Context, Batch: s.Batch, Prefill: s.Prefill, Devices: s.Devices, Memory: s.Memory,
		ParamsTotal: total.Params, ParamsActive: total.ActiveParams, ModelContext: n.Config.MaxPositionEmbeddings,
	}
	p.Parts = n.Parts(s)
	p.Total, p.Fits = p.Parts.Total(), n.fits(s)
	if s.Devices > 1 {
		p.Split = n.split(s)
	}
	at := func(context, batch int) Setting {
		t := s
		t.Context, t.Batch = context, batch
		return t
	}
	p.MaxContext = most(MaxContext, func(c int) bool { return n.fits(at(c, s.Batch)) })
	p.ContextBound = n.binds(at(1, s.Batch), at(p.MaxContext, s.Batch), p.MaxContext == MaxContext)
	p.MaxBatch = most(MaxBatch, func(b int) bool { return n.fits(at(s.Context, b)) })
	p.BatchBound = n.binds(at(s.Context, 1), at(s.Context, p.MaxBatch), p.MaxBatch == MaxBatch)
	if l := s.Limits; l.ReadBytes > 0 || l.F32MACs > 0 {
		b := bench.Network{Config: &n.Config, Sizes: n.Sizes, KV: s.KV, Chunk: bench.Chunk}
		if s.Prefill == Whole {
			b.Chunk = s.Context
		}
		decode, prefill := b.Decode(s.Batch, s.Context, orInf(l)), b.Prefill(s.Context, 0, orInf(l))
		p.Decode, p.PrefillRate = &decode, &prefill
	}
	return p, nil
}

func (s *Setting) check() error {
	for _, c := range []struct {
		what    string
		n, most int
	}{{"context", s.Context, MaxContext}, {"batch", s.Batch, MaxBatch}, {"devices", s.Devices, MaxDevices}} {
		if c.n < 1 || c.n > c.most {
			return fmt.Errorf("%s is %d, want 1 to %d", c.what, c.n, c.most)
		}
	}
	if s.Memory < 1 {
		return fmt.Errorf("memory is %d bytes, want 1 or more", s.Memory)
	}
	return nil
}

// orInf returns limits of which those that are not known bound nothing.
func orInf(l bench.Limits) bench.Limits {
	const unbounded = 1e30
	if l.ReadBytes == 0 {
		l.ReadBytes = unbounded
	}
	if l.F32MACs == 0 {
		l.F32MACs = unbounded
	}
	return l
}

// Parts returns what the network takes, on all devices together.
func (n *Network) Parts(s Setting) Parts {
	p := Parts{Weights: n.Sizes.Total().Bytes}
	if s.Devices > 1 && n.Config.TieWordEmbeddings {
		p.Weights += n.Sizes.Embedding.Bytes // the first device has it, and the last as its head
	}
	specs := n.Config.StateSpecs(s.KV)
	slot := state.SlotBytes(specs)
	p.State = times(int64(s.Batch), slot)
	p.KV = times(int64(s.Batch), state.Bytes(specs, s.Context)-slot)
	p.Activations = times(int64(s.Devices), n.activations(s))
	p.Program = times(int64(s.Devices), s.program())
	return p
}

// program returns what the engine itself takes on each device: of others that is not known.
func (s *Setting) program() int64 {
	if s.Prefill == Whole {
		return 0
	}
	return program
}

// most returns the largest number up to limit that fits, 0 if none does.
func most(limit int, fits func(int) bool) int {
	lo, hi := 0, limit+1 // lo fits, hi does not
	for hi-lo > 1 {
		if mid := lo + (hi-lo)/2; fits(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// binds returns the part that grows most between two settings; if not even the smaller one fits, the largest part.
func (n *Network) binds(from, to Setting, unbounded bool) Part {
	if unbounded {
		return Nothing
	}
	var before, after Parts
	if n.fits(from) {
		before, after = n.Parts(from), n.Parts(to)
		if before == after {
			// The next one is already too large.
			to.Context, to.Batch = to.Context+1, to.Batch+1
			after = n.Parts(to)
		}
	} else {
		after = n.Parts(from)
	}
	bound, most := Weights, after.Weights-before.Weights
	for _, p := range []struct {
		Part
		grown int64
	}{{KV, after.KV - before.KV}, {State, after.State - before.State}, {Activations, after.Activations - before.Activations}, {Program, after.Program - before.Program}} {
		if p.grown > most {
			bound, most = p.Part, p.grown
		}
	}
	return bound
}

// huge is more than any machine has, and small enough that the sum of all parts is no overflow.
const huge = 1 << 60

// plus and times return a+b and a·b, or huge if that is less. Neither is negative.
func plus(a, b int64) int64 { return min(a, huge-min(b, huge)) + min(b, huge) }

func times(a, b int64) int64 {
	if b > 0 && a > huge/b {
		return huge
	}
	return a * b
}
