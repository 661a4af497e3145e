package model

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"

	"jamba/internal/kernel"
	"jamba/model/param"
	"jamba/model/state"
	"jamba/tensor"
)

// Precision says how a model computes.
type Precision int

const (
	// Exact computes with float32 activations, keys and values, and with the weights as they are in the file, in place.
	Exact Precision = iota
	// Fast multiplies quantized weights with activations rounded to 16 bits, in blocks of 32 with a scale each, or beside
	// K formats to 13 or 14 bits, in blocks of 128. The weights are copied into the layout of the kernels once, when the
	// model is opened. Keys and values are kept as fp16, unless another type is asked for.
	Fast
)

// String returns the precision's name on the command line.
func (p Precision) String() string {
	if p == Fast {
		return "fast"
	}
	return "exact"
}

// UnmarshalText reads exact or fast.
func (p *Precision) UnmarshalText(b []byte) error {
	switch string(b) {
	case "exact":
		*p = Exact
	case "fast":
		*p = Fast
	default:
		return fmt.Errorf("precision %q is not known; exact and fast are", b)
	}
	return nil
}

// KV returns the type that keys and values are kept in unless another type is asked for.
func (p Precision) KV() tensor.DType {
	if p == Fast {
		return tensor.F16
	}
	return tensor.F32
}

// KVType returns the type that keys and values are kept in: d or, if that is Invalid, as p says. It is an error if they cannot
// be kept in d.
func (p Precision) KVType(d tensor.DType) (tensor.DType, error) {
	if d = cmp.Or(d, p.KV()); !slices.Contains(kvTypes, d) {
		return d, fmt.Errorf("keys and values cannot be kept in %v; %s", d, kvNames)
	}
	return d, nil
}

// kvTypes are the types that keys and values can be kept in.
var kvTypes = []tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0}

const kvNames = "f32, f16 and q8_0 can be"

// ParseKV returns the type that keys and values are to be kept in, by its name: f32, f16 or q8_0.
func ParseKV(name string) (tensor.DType, error) {
	var d tensor.DType
	if err := d.UnmarshalText([]byte(name)); err != nil || !slices.Contains(kvTypes, d) {
		return tensor.Invalid, fmt.Errorf("keys and values cannot be kept in %q; %s", name, kvNames)
	}
	return d, nil
}

// large is a large matrix of the network, and the sizes that it counts in.
type large struct {
	*kernel.Matrix
	param.ID
	size *Size
}

// resize counts the bytes that the matrix takes more, or less.
func (l *large) resize(bytes int64) {
	l.size.Bytes += bytes
	if l.Expert >= 0 {
		l.size.ExpertBytes += bytes
	}
}

// large returns the network's large matrices and their bytes.
func (m *Model) large() (all []large, bytes int64) {
	add := func(l large) {
		all = append(all, l)
		bytes += int64(l.Bytes())
	}
	for i := m.stage.Lo; i < m.stage.Hi; i++ {
		visit := func(part param.Part, expert int, w *kernel.Matrix) {
			if part != param.Router { // which stays exact
				add(large{w, param.ID{Layer: i, Part: part, Expert: expert}, &m.sizes.Layers[i]})
			}
		}
		m.blocks[i].mixer.projections(visit)
		if ff := m.blocks[i].feedForward; ff != nil {
			ff.projections(visit)
		}
	}
	if m.ends() {
		size := &m.sizes.Head
		if m.tied() {
			size = &m.sizes.Embedding
		}
		add(large{&m.lmHead, param.Outside(param.Head), size})
	}
	return all, bytes
}

// Prepare makes a loaded model ready to compute with a precision and to keep keys and values as kv, see Precision.KVType. For
// Fast it brings the network's large matrices into the layout of the kernels; progress, if not nil, is told of the bytes that
// are done. It must be called before the model is used, and after Attach and Round. If ctx ends before it is done, the model is of no
// use; the error is ctx's.
func (m *Model) Prepare(ctx context.Context, p Precision, kv tensor.DType, progress func(done, total int64)) error {
	if m.precision, m.kv = p, kv; p == Fast {
		if err := m.pack(ctx, progress); err != nil {
			return err
		}
	}
	m.countIntegers()
	return nil
}

// pack brings the network's large matrices into the layout of the fast kernels.
func (m *Model) pack(ctx context.Context, progress func(done, total int64)) error {
	all, total := m.large()
	done, garbage := int64(0), int64(0)
	free, _ := state.Available()
	move := movable(all, total, free)
	var slab kernel.Slab
	for _, l := range all {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// One copy is enough to have in memory: what is in a file is released, what Round made is collected before it is much.
		rounded := l.InPlace() == 0
		source := l.Pack(&slab)
		if source == nil && move {
			source = l.Code(&slab)
		}
		if source == nil && move && kernel.LargePages() {
			source = l.Move(&slab)
		}
		if source != nil {
			m.source.Release(source)
		} else if rounded && l.Integer() { // else it has stayed where it was
			if garbage += int64(l.Bytes()); garbage > total/8 {
				runtime.GC()
				garbage = 0
			}
		}
		if done += int64(l.Bytes()); progress != nil {
			progress(done, total)
		}
	}
	return nil
}

// movable reports whether matrices that are multiplied as they lie in a mapped file are to be copied, since they are read faster
// in fewer bits or from larger pages: all take so many bytes, and so many are free, 0 if that is not known. The system can drop
// pages of a file, but no copy, so only where there is plenty of room. Files with panels are there to be used in place.
func movable(all []large, bytes, free int64) bool {
	return bytes <= free/2 && !slices.ContainsFunc(all, func(l large) bool { return l.Raw() == nil })
}
