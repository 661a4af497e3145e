package model

import "sync/atomic"

// Routing counts the tokens that routers sent to each expert. Passes add to it, once for each expert and not for each token; any
// goroutine may read it. In the last layer only rows that logits or hidden states are wanted of are computed, so fewer are counted
// there.
type Routing struct {
	layers [][]atomic.Int64 // by layer and expert; nil for layers without experts
}

// NewRouting returns counts of zero for m's experts.
func (m *Model) NewRouting() *Routing {
	r := &Routing{layers: make([][]atomic.Int64, len(m.Config.Layers))}
	for i, l := range m.Config.Layers {
		if l.MoE != nil {
			r.layers[i] = make([]atomic.Int64, l.MoE.NumExperts)
		}
	}
	return r
}

// add counts the rows of a pass that went to an expert.
func (r *Routing) add(layer, expert, rows int) {
	if r != nil {
		r.layers[layer][expert].Add(int64(rows))
	}
}

// Counts returns the tokens that each expert of each layer was chosen for, [layer][expert]; nil for layers without experts.
func (r *Routing) Counts() [][]int64 {
	counts := make([][]int64, len(r.layers))
	for i, experts := range r.layers {
		for e := range experts {
			counts[i] = append(counts[i], experts[e].Load())
		}
	}
	return counts
}
