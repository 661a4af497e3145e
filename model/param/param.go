// Package param names the parameters of a network, whatever its architecture and the format of its file.
package param

// Part is a part of a layer, or of the network outside of its layers, that has parameters: Jamba's name for it within the
// layer, as Hugging Face writes it.
type Part string

// The parts. Those of an expert are those of an MLP.
const (
	Embed     Part = "embed_tokens"
	FinalNorm Part = "final_layernorm"
	Head      Part = "lm_head"

	InputNorm       Part = "input_layernorm"
	FeedForwardNorm Part = "pre_ff_layernorm"

	QProj Part = "self_attn.q_proj"
	KProj Part = "self_attn.k_proj"
	VProj Part = "self_attn.v_proj"
	OProj Part = "self_attn.o_proj"

	InProj  Part = "mamba.in_proj"
	Conv    Part = "mamba.conv1d"
	XProj   Part = "mamba.x_proj"
	DtNorm  Part = "mamba.dt_layernorm"
	BNorm   Part = "mamba.b_layernorm"
	CNorm   Part = "mamba.c_layernorm"
	DtProj  Part = "mamba.dt_proj"
	ALog    Part = "mamba.A_log"
	D       Part = "mamba.D"
	OutProj Part = "mamba.out_proj"

	Router   Part = "feed_forward.router"
	GateProj Part = "feed_forward.gate_proj"
	UpProj   Part = "feed_forward.up_proj"
	DownProj Part = "feed_forward.down_proj"
)

// FeedForward are the projections of an MLP and of each expert, in the order of files.
var FeedForward = [3]Part{GateProj, UpProj, DownProj}

// Tensor says which of a part's tensors a parameter is: the end of its name.
type Tensor string

// The tensors of parts; an adapter adds two more, see package lora.
const (
	Weight Tensor = ".weight"
	Bias   Tensor = ".bias"
	Itself Tensor = "" // A_log and D
)

// ID tells which part of a network a parameter belongs to.
type ID struct {
	Layer  int // -1: in none
	Part   Part
	Expert int // -1: of none
}

// Outside is a part that is in no layer.
func Outside(p Part) ID { return ID{-1, p, -1} }

// In is a part of a layer that is in no expert.
func In(layer int, p Part) ID { return ID{layer, p, -1} }

// Kind names what id has in common with those of other layers and experts.
func (id ID) Kind() string {
	if id.Expert < 0 {
		return string(id.Part)
	}
	return "feed_forward.experts" + string(id.Part[len("feed_forward"):])
}
