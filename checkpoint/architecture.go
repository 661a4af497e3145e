package checkpoint

import (
	"jamba/model"
)

// class is what the name of an architecture decides of its files.
type class struct {
	name string // in config.json's architectures
	gguf string // general.architecture of its GGUF files

	experts    bool // of a transformer: every layer has a MoE, else an MLP
	biases     bool // of a transformer: attention and MLP may have some
	windows    bool // of a transformer: attention may have a window
	someWindow bool // of a transformer: in some layers and in others not
}

// classes are those that there are, by Config.Architecture.
var classes = map[string]*class{
	"jamba":   {name: "JambaForCausalLM", gguf: "jamba"},
	"llama":   {name: "LlamaForCausalLM", gguf: "llama", biases: true},
	"mistral": {name: "MistralForCausalLM", gguf: "llama", windows: true, someWindow: true},
	"mixtral": {name: "MixtralForCausalLM", gguf: "llama", experts: true, windows: true},
	"mamba":   {name: "MambaForCausalLM", gguf: "mamba"},
}

// classOf returns the architecture's class; one without a name if it is not known.
func classOf(c *model.Config) *class {
	if known := classes[c.Architecture]; known != nil {
		return known
	}
	return &class{}
}

// GGUFArchitecture returns the name of the model's architecture in GGUF files; "": there is none.
func GGUFArchitecture(c *model.Config) string { return classOf(c).gguf }
