package ablation

import (
	"math"

	"jamba/model"
	"jamba/model/param"
)

// The choices of Experiment.Init. Both give projections a standard deviation of 1/sqrt(inputs): with the usual 0.02 models that
// are this narrow hardly pass on what comes in, and learn nothing for the first hundreds of steps.
const (
	InitProjections = "projections" // these alone
	// InitAll gives embeddings 1/sqrt(hidden_size) too, and divides projections that add to the residual stream by
	// sqrt(2·layers) as GPT-2 does. Else the token itself is drowned in what the layers before attention add to it.
	InitAll = "all"
)

// initialize rescales new weights.
func initialize(m *model.Model, how string) {
	for _, p := range m.Params() {
		inputs := float64(p.Shape[len(p.Shape)-1])
		scale := 1 / (model.InitializerRange * math.Sqrt(inputs))
		switch {
		case p.Kind() == model.Embedding && how == InitAll:
		case p.Kind() != model.Projection:
			continue
		case how == InitAll && (p.Part == param.OProj || p.Part == param.OutProj || p.Part == param.DownProj):
			scale /= math.Sqrt(float64(2 * len(m.Config.Layers)))
		}
		for i := range p.Value {
			p.Value[i] *= float32(scale)
		}
	}
}
