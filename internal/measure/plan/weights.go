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
	if r == Int8 {
		return c.Survey(func(_ param.ID, _ param.Tensor, shape []int) (int64, error) {
			n, err := tensor.Numel(shape)
			return int64(n), err
		})
	}
	typeOf, err := Types(c, r)
	if err != nil {
		return model.Sizes{}, err
	}
	return c.Survey(func(id param.ID, t param.Tensor, shape []int) (int64, error) {
		n, err := tensor.Size(typeOf(id, t, shape), shape)
		return int64(n), err
	})
}

// Types returns the type that each of a network's tensors has in a file of that recipe, or in memory for recipe.ExpertsInt8;
// what is never rounded is float32.
func Types(c *model.Config, r recipe.Recipe) (func(param.ID, param.Tensor, []int) tensor.DType, error) {
	var choose func(name string, id param.ID, k int) tensor.DType
	if r == recipe.ExpertsInt8 {
		choice, err := r.Choice(c)
		if err != nil {
			return nil, err
		}
		choose = func(_ string, id param.ID, k int) tensor.DType {
			if id.Part == param.Embed {
				return tensor.BF16 // as in the file
			}
			d, _, _ := choice(id, k)
			return d
		}
	} else {
		mix, err := r.Of(c)
		if err != nil {
			return nil, err
		}
		choose = func(name string, id param.ID, k int) tensor.DType {
			d, _ := mix.Choose(name, id.Layer, k)
			return d
		}
	}
	return func(id param.ID, t param.Tensor, shape []int) tensor.DType {
		name := param.GGUFNames.Tensor(id, t)
		if recipe.Keep(name, shape) != "" {
			return tensor.F32
		}
		return choose(name, id, shape[len(shape)-1])
	}, nil
}
