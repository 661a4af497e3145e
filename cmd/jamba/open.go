package main

import (
	"fmt"
	"io"
	"slices"

	"jamba/model"
	"jamba/tensor"
)

// openFlags say how to open a model for computing.
type openFlags struct {
	Adapter       string      `placeholder:"DIR" help:"A low-rank adapter (LoRA) to compute with: a folder as PEFT lays it out."`
	Weights       weightsFlag `placeholder:"TYPE" help:"Round weights that are not quantized while loading: ${weights}."`
	KV            kvFlag      `name:"kv" placeholder:"TYPE" help:"Keep keys and values as f32, f16 or q8_0, 8 bits with a scale for 32 values. Default: f16, with --precision exact f32."`
	WeightsReport bool        `help:"With --weights: print on standard error what became of each matrix."`
}

// weightsFlag is a recipe that weights can be rounded to.
type weightsFlag model.Recipe

// UnmarshalText reads the recipe's name.
func (f *weightsFlag) UnmarshalText(b []byte) error {
	r, err := model.ParseRecipe(string(b), model.WeightRecipes())
	*f = weightsFlag(r)
	return err
}

// kvFlag is a type that keys and values can be kept in.
type kvFlag tensor.DType

// UnmarshalText reads the type's name.
func (f *kvFlag) UnmarshalText(b []byte) error {
	d, err := model.ParseKV(string(b))
	*f = kvFlag(d)
	return err
}

// options returns the model's options, with progress on w.
func (f *openFlags) options(w io.Writer, p model.Precision) model.Options {
	return model.Options{Precision: p, KV: tensor.DType(f.KV), Adapter: f.Adapter, Weights: model.Recipe(f.Weights), Progress: loading(w)}
}

// tell says on w what there is to know of an opened model, or of its stages.
func (f *openFlags) tell(w io.Writer, stages ...*model.Model) {
	m := stages[0]
	warnModel(w, m)
	for _, s := range stages[1:] {
		// Most are of the whole checkpoint.
		warn(w, slices.DeleteFunc(slices.Clone(s.Warnings), func(one string) bool { return slices.Contains(m.Warnings, one) })...)
	}
	if a := m.Adapter; a != nil {
		c := a.Coverage(m.Modules())
		fmt.Fprintf(w, "jamba: adapter: %d of %d modules (%s), %d parameters\n", c.Total().Adapted, c.Total().Modules, c.Groups(), a.Params())
	}
	var quantized model.Report
	for _, s := range stages {
		quantized = append(quantized, s.Quantized...)
	}
	if f.WeightsReport && quantized != nil {
		printEach(w, quantized)
		printSummary(w, "weights to "+string(f.Weights), quantized)
	}
	warnLarger(w, quantized)
}
