package plan

import (
	"jamba/model"
	"jamba/model/param"
	"jamba/quantize/recipe"
	"jamba/tensor"
)

// Int8 counts one byte for each parameter, as the papers' figures with 8-bit weights seem to: no scales, no exceptions. There
// is no such file.
const Int8 recipe.Recipe = "int8"

// WeightTypes are the types that Weigh knows.
func WeightTypes() []recipe.Recipe { return append(recipe.FileRecipes(), recipe.ExpertsInt8, Int8) }

// Weigh returns the sizes of a network's weights in that type: as the tensors of a GGUF file of that recipe, or in memory for
// recipe.ExpertsInt8.
func Weigh(c *model.Config, r recipe.Recipe) (model.Sizes, error) {
	switch r {
	case Int8:
		return c.Survey(func(_ param.ID, _ param.Tensor, shape []int) (int64, error) {
			n, err := tensor.Numel(shape)
			return int64(n), err
		})
	case recipe.ExpertsInt8:
		choose, err := r.Choice(c)
		if err != nil {
			return model.Sizes{}, err
		}
		return c.Survey(rounded(func(_ string, id param.ID, k int) tensor.DType {
			if id.Part == param.Embed {
				return tensor.BF16 // as in the file
			}
			d, _, _ := choose(id, k)
			return d
		}))
	}
	mix, err := r.Of(c)
	if err != nil {
		return model.Sizes{}, err
	}
	return c.Survey(rounded(func(name string, id param.ID, k int) tensor.DType {
		d, _ := mix.Choose(name, id.Layer, k)
		return d
	}))
}

// rounded counts what is never rounded as float32, and other tensors as choose says for their GGUF names and rows of k values.
func rounded(choose func(name string, id param.ID, k int) tensor.DType) model.Tell {
	return func(id param.ID, t param.Tensor, shape []int) (int64, error) {
		name, d := param.GGUFNames.Tensor(id, t), tensor.F32
		if recipe.Keep(name, shape) == "" {
			d = choose(name, id, shape[len(shape)-1])
		}
		n, err := tensor.Size(d, shape)
		return int64(n), err
	}
}
