package main

import (
	"fmt"
	"io"
	"slices"

	"jamba/checkpoint"
	"jamba/internal/choice"
	"jamba/model"
	"jamba/quantize/recipe"
	"jamba/tensor"
)

// openFlags say how to open a model for computing.
type openFlags struct {
	Adapter string `placeholder:"DIR" help:"A low-rank adapter (LoRA) to compute with: a folder as PEFT lays it out."`
	weightFlags
}

// options returns the model's options, with progress on w.
func (f *openFlags) options(w io.Writer, p model.Precision) checkpoint.Options {
	o := f.weightFlags.options(w, p)
	o.Adapter = f.Adapter
	return o
}

// weightFlags say how to make a model's weights ready.
type weightFlags struct {
	Weights       weightsFlag `placeholder:"TYPE" help:"Round weights that are not quantized while loading: ${weights}."`
	KV            kvFlag      `name:"kv" placeholder:"TYPE" help:"Keep keys and values as f32, f16 or q8_0, 8 bits with a scale for 32 values. Default: f16, with --precision exact f32."`
	WeightsReport bool        `help:"With --weights: print on standard error what became of each matrix."`
}

// weightsFlag is a recipe that weights can be rounded to.
type weightsFlag recipe.Recipe

// UnmarshalText reads the recipe's name.
func (f *weightsFlag) UnmarshalText(b []byte) error {
	r, err := recipe.ParseRecipe(string(b), recipe.WeightRecipes())
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

// options returns the model's options, with progress on w. For the fast pass it has the machine choose its kernels.
func (f *weightFlags) options(w io.Writer, p model.Precision) checkpoint.Options {
	if p == model.Fast {
		choice.Use()
	}
	return checkpoint.Options{Precision: p, KV: tensor.DType(f.KV), Weights: recipe.Recipe(f.Weights), Progress: loading(w)}
}

// opened is a model and the checkpoint that it is from.
type opened struct {
	*model.Model
	from *checkpoint.Checkpoint
}

// open opens the model at path, which is to be closed.
func open(path string, o checkpoint.Options) (m opened, err error) {
	if m.from, err = checkpoint.Open(path); err != nil {
		return m, err
	}
	if m.Model, err = m.from.Model(o); err != nil {
		m.from.Close()
	}
	return m, err
}

// load opens the model at path, which is to be closed, and says on w what there is to know of it.
func (f *openFlags) load(w io.Writer, path string, p model.Precision) (opened, error) {
	m, err := open(path, f.options(w, p))
	if err == nil {
		f.tell(w, m)
	}
	return m, err
}

// openForTraining opens the model in a folder to train all its weights, and says what there is to know of it.
func openForTraining(s *streams, dir string) (*model.Model, error) {
	c, err := checkpoint.Open(dir)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	m, err := c.ForTraining()
	if err == nil {
		warnModel(s.err, c)
	}
	return m, err
}

// tell says on w what there is to know of an opened model, or of its stages.
func (f *weightFlags) tell(w io.Writer, stages ...opened) {
	m := stages[0]
	warnModel(w, m.from)
	first := m.from.Warnings()
	for _, s := range stages[1:] {
		// Most are of the whole checkpoint.
		warn(w, slices.DeleteFunc(s.from.Warnings(), func(one string) bool { return slices.Contains(first, one) })...)
	}
	if a := m.Adapter(); a != nil {
		c := a.Coverage(m.Modules())
		fmt.Fprintf(w, "jamba: adapter: %d of %d modules (%s), %d parameters\n", c.Total().Adapted, c.Total().Modules, c.Groups(), a.Params())
	}
	var quantized recipe.Report
	for _, s := range stages {
		quantized = append(quantized, s.Rounded()...)
	}
	if f.WeightsReport && quantized != nil {
		printEach(w, quantized)
		printSummary(w, "weights to "+string(f.Weights), quantized)
	}
	warnLarger(w, quantized)
}
