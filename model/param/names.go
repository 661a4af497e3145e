package param

import (
	"fmt"
	"strconv"
	"strings"
)

// Names maps parameters to the names of tensors in an architecture's classes or in a format. Its names of parts are without
// the ends for weight and bias. Names of layers have the layer in the place of %d, and those of experts the expert.
type Names struct {
	Embed, FinalNorm, Head string          // names of tensors
	Layer                  string          // prefix of layer %d
	Parts                  map[Part]string // a part that is not here has its own name

	Expert map[Part]string // projections of expert %d, each a tensor
	Stack  map[Part]string // tensors with a projection of all experts
	GateUp string          // tensor with the rows of gate and up of all experts, beside the stack of down
}

// Tensor returns the name of one of a part's tensors; that of an expert which is only in stacks has its number behind.
func (n *Names) Tensor(id ID, t Tensor) string {
	switch id.Part {
	case Embed:
		return n.Embed
	case FinalNorm:
		return n.FinalNorm
	case Head:
		return n.Head
	}
	if id.Expert >= 0 && n.Expert[id.Part] == "" {
		return fmt.Sprintf("%s [%d]", n.StackOf(id.Layer, id.Part), id.Expert)
	}
	return n.Module(id) + string(t)
}

// Module returns the name of a part, which those of its tensors begin with.
func (n *Names) Module(id ID) string {
	if id.Layer < 0 {
		return strings.TrimSuffix(n.Tensor(id, Weight), string(Weight))
	}
	name, ok := n.Parts[id.Part]
	switch {
	case id.Expert >= 0:
		name = fmt.Sprintf(n.Expert[id.Part], id.Expert)
	case !ok:
		name = string(id.Part)
	}
	return fmt.Sprintf(n.Layer, id.Layer) + name
}

// StackOf returns the name of the tensor with a projection of all experts of a layer, "" if there is none.
func (n *Names) StackOf(layer int, part Part) string { return n.inLayer(layer, n.Stack[part]) }

// Matrix returns the name of the tensor of weights with a part in it: for an expert, if its projections are stacked one by
// one, the stack.
func (n *Names) Matrix(id ID) string {
	if id.Expert >= 0 && n.Stack[GateProj] != "" {
		return n.StackOf(id.Layer, id.Part)
	}
	return n.Tensor(id, Weight)
}

// GateUpOf returns the name of the tensor with the gates and ups of all experts of a layer, "" if there is none.
func (n *Names) GateUpOf(layer int) string { return n.inLayer(layer, n.GateUp) }

func (n *Names) inLayer(layer int, name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(n.Layer, layer) + name
}

// LayerOf returns the layer of the tensor of that name, -1 if it is in none.
func (n *Names) LayerOf(name string) int {
	before, after, _ := strings.Cut(n.Layer, "%d")
	rest, ok := strings.CutPrefix(name, before)
	number, _, found := strings.Cut(rest, after)
	if i, err := strconv.Atoi(number); ok && found && err == nil {
		return max(i, -1)
	}
	return -1
}
