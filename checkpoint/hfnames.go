package checkpoint

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"jamba/internal/printable"
	"jamba/model"
)

// architecture returns which of classNames config.json names: the reference goes by model_type, if there is one.
func architecture(all map[string]json.RawMessage) (arch string, warnings []string, err error) {
	var head struct {
		Architectures []string `json:"architectures"`
		ModelType     string   `json:"model_type"`
	}
	names := map[string]json.RawMessage{}
	for _, key := range []string{"architectures", "model_type"} {
		if v, ok := all[key]; ok {
			names[key] = v
		}
	}
	b, err := json.Marshal(names)
	if err == nil {
		err = decode(b, &head)
	}
	if err != nil {
		return "", nil, err
	}
	class, kind := "", ""
	if len(head.Architectures) > 0 {
		class = head.Architectures[0]
	}
	if t := head.ModelType; t != "" {
		kind = strings.ToUpper(t[:1]) + t[1:] + "ForCausalLM"
	}
	for _, name := range classNames {
		if strings.EqualFold(name, class) { // LLaMAForCausalLM is one of the first files'
			class = name
		}
	}
	arch = cmp.Or(class, kind)
	switch {
	case !slices.Contains(classNames, arch):
	case kind == "" || kind == arch:
		return arch, nil, nil
	case slices.Contains(classNames, kind):
		return kind, []string{fmt.Sprintf("architectures says %s, model_type %s: model_type counts", class, head.ModelType)}, nil
	default:
		arch = kind
	}
	return "", nil, fmt.Errorf("architecture \"%s\" is not supported; %s are", printable.Cut(arch, 60), strings.Join(classNames, ", "))
}

// Kinds of layers in layer_types.
const (
	fullAttention    = "full_attention"
	slidingAttention = "sliding_attention"
	linearAttention  = "linear_attention"
)

// canonical returns the newer of two names for a kind of layer.
func canonical(kind string) string {
	switch kind {
	case "attention":
		return fullAttention
	case "mamba":
		return linearAttention
	}
	return kind
}

// checkLayerTypes compares layer_types, if there is one, with the layers that were made of the other settings.
func (h *hfConfig) checkLayerTypes(c *model.Config) error {
	for name, types := range map[string]*[]string{"layer_types": h.LayerTypes, "layers_block_type": h.LayersBlockType} {
		if types == nil {
			continue
		}
		if len(*types) != len(c.Layers) {
			return fmt.Errorf("%s has %d entries for %d layers", name, len(*types), len(c.Layers))
		}
		for i, l := range c.Layers {
			want := linearAttention
			if a := l.Attention; a != nil && a.SlidingWindow > 0 {
				want = slidingAttention
			} else if a != nil {
				want = fullAttention
			}
			if kind := (*types)[i]; canonical(kind) != want {
				return fmt.Errorf("%s: layer %d is \"%s\", which is not supported: by the other settings of this architecture it is %s", name, i, printable.Cut(kind, 60), want)
			}
		}
	}
	return nil
}
