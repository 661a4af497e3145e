package plan

import (
	"slices"

	"jamba/model/state"
)

// Share is the part of a device.
type Share struct {
	First int   `json:"first_layer"`
	Last  int   `json:"last_layer"`
	Bytes int64 `json:"bytes"`
}

// fits reports whether the setting's memory is enough.
func (n *Network) fits(s Setting) bool {
	if s.Devices == 1 {
		return n.Parts(s).Total() <= s.Memory
	}
	shares := n.fill(n.layerBytes(s), s, s.Memory)
	return shares != nil
}

// split returns the shares of which the largest is as small as can be.
func (n *Network) split(s Setting) []Share {
	layers := n.layerBytes(s)
	lo, hi := int64(0), int64(huge) // lo does not hold the model, hi does
	for hi-lo > 1 {
		if mid := lo + (hi-lo)/2; n.fill(layers, s, mid) != nil {
			hi = mid
		} else {
			lo = mid
		}
	}
	return n.fill(layers, s, hi)
}

// layerBytes returns what each layer takes on its device, those at the ends with the embedding and the head.
func (n *Network) layerBytes(s Setting) []int64 {
	specs := n.Config.StateSpecs(s.KV)
	layers := make([]int64, len(specs))
	for i := range specs {
		layers[i] = plus(n.Sizes.Layers[i].Bytes, times(int64(s.Batch), state.Bytes(specs[i:i+1], s.Context)))
	}
	last := len(layers) - 1
	layers[0] += n.Sizes.Embedding.Bytes
	layers[last] += n.Sizes.Head.Bytes
	if n.Config.TieWordEmbeddings {
		layers[last] += n.Sizes.Embedding.Bytes
	}
	return layers
}

// fill gives each device as many layers as it has memory for beside its activations and the program; nil: there are too few devices.
func (n *Network) fill(layers []int64, s Setting, memory int64) (shares []Share) {
	work := plus(n.activations(s), s.program())
	for i, bytes := range layers {
		if k := len(shares) - 1; k >= 0 && shares[k].Bytes <= memory-bytes {
			shares[k].Bytes += bytes
			shares[k].Last = i
			continue
		}
		if len(shares) == s.Devices || plus(work, bytes) > memory {
			return nil
		}
		shares = append(shares, Share{i, i, plus(work, bytes)})
	}
	return slices.Clip(shares)
}
