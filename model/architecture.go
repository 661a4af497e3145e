package model

import "jamba/model/param"

// traits are what the name of an architecture decides of the network beside the schedule of its layers.
type traits struct {
	names     *param.Names // of parameters in the reference's classes
	eos       int32        // ends an answer where no file speaks of it: the reference's default
	padLearns bool         // the padding token's row of the embedding is trained as the others
}

// architectures are those that there are, by Config.Architecture.
var architectures = map[string]*traits{
	"jamba":   {names: &param.JambaNames, eos: 2},
	"llama":   {names: &param.LlamaNames, eos: 2},
	"mistral": {names: &param.LlamaNames, eos: 2},
	"mixtral": {names: &param.MixtralNames, eos: 2},
	"mamba":   {names: &param.MambaNames, padLearns: true},
}

// traits returns what the architecture decides; of one that is not known, the reference's defaults and no names.
func (c *Config) traits() *traits {
	if a := architectures[c.Architecture]; a != nil {
		return a
	}
	return &traits{eos: 2}
}

// Names returns the names of parameters in the reference's classes, which adapters and training speak of whatever file the
// weights are from; nil: the architecture is none of those known here.
func (c *Config) Names() *param.Names { return c.traits().names }

// DefaultEOS returns the token that ends an answer where no file speaks of it: the reference's default.
func (c *Config) DefaultEOS() int32 { return c.traits().eos }

// PaddingIdx returns the row of the embedding that learns nothing, the reference's padding_idx; -1: all learn.
func (c *Config) PaddingIdx() int {
	if c.traits().padLearns {
		return -1
	}
	return c.PADTokenID
}
