package model

// traits are what the name of an architecture decides beside the schedule of the layers.
type traits struct {
	class string  // in config.json's architectures
	gguf  string  // general.architecture of its GGUF files
	names *naming // of checkpoints in Hugging Face's layout

	eos        int32 // ends an answer where no file speaks of it: the reference's default
	padLearns  bool  // the padding token's row of the embedding is trained as the others
	experts    bool  // of a transformer: every layer has a MoE, else an MLP
	biases     bool  // of a transformer: attention and MLP may have some
	windows    bool  // of a transformer: attention may have a window
	someWindow bool  // of a transformer: in some layers and in others not
}

// architectures are those that there are, by Config.Architecture.
var architectures = map[string]*traits{
	"jamba":   {class: "JambaForCausalLM", gguf: "jamba", names: &jambaNames, eos: 2},
	"llama":   {class: "LlamaForCausalLM", gguf: "llama", names: &llamaNames, eos: 2, biases: true},
	"mistral": {class: "MistralForCausalLM", gguf: "llama", names: &llamaNames, eos: 2, windows: true, someWindow: true},
	"mixtral": {class: "MixtralForCausalLM", gguf: "llama", names: &mixtralNames, eos: 2, experts: true, windows: true},
	"mamba":   {class: "MambaForCausalLM", gguf: "mamba", names: &mambaNames, padLearns: true},
}

// traits returns what the architecture decides; of one that is not known, the reference's defaults and no names.
func (c *Config) traits() *traits {
	if a := architectures[c.Architecture]; a != nil {
		return a
	}
	return &traits{eos: 2}
}

// DefaultEOS returns the token that ends an answer where neither config.json nor generation_config.json speaks of it: the
// reference's default.
func (c *Config) DefaultEOS() int32 { return c.traits().eos }

// PaddingIdx returns the row of the embedding that learns nothing, the reference's padding_idx; -1: all learn.
func (c *Config) PaddingIdx() int {
	if c.traits().padLearns {
		return -1
	}
	return c.PADTokenID
}
