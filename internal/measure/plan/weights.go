package plan

import (
	"jamba/model"
	"jamba/model/param"
	"jamba/quantize/recipe"
	"jamba/tensor"
)

// OneByte counts one byte for each parameter, as the papers' figures with 8-bit weights seem to: no scales, no exceptions. There
// is no such file; recipe.Int8 is what comes nearest.
const OneByte recipe.Recipe = "one-byte"

// WeightTypes are the types that Weigh knows.
func WeightTypes() []recipe.Recipe { return append(recipe.NativeRecipes(), OneByte) }

// Weigh returns the sizes of a network's weights in that type: as the tensors of a file of that recipe.
func Weigh(c *model.Config, r recipe.Recipe) (model.Sizes, error) {
	if r == OneByte {
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

// Types returns the type that each of a network's tensors has in a file of that recipe; what is never rounded is float32.
func Types(c *model.Config, r recipe.Recipe) (func(param.ID, param.Tensor, []int) tensor.DType, error) {
	mix, err := r.Of(c)
	if err != nil {
		return nil, err
	}
	return func(id param.ID, t param.Tensor, shape []int) tensor.DType {
		name := param.GGUFNames.Tensor(id, t)
		if id.Expert >= 0 && t == param.Weight {
			name = param.GGUFNames.Matrix(id)
		}
		if recipe.Keep(name, shape) != "" {
			return tensor.F32
		}
		d, _ := mix.Choose(name, id.Layer, shape[len(shape)-1])
		return d
	}, nil
}
