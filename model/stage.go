package model

import (
	"fmt"

	"jamba/model/lora"
)

// Stage is the layers [Lo, Hi) of a network as a unit: a part of a pipeline over several machines or devices. The stage with
// layer 0 has the embedding as well and takes token ids; every other takes the hidden states that the one before gives, see
// Span.Hidden. The stage with the last layer has the final norm and the head and gives what a Span wants; every other gives
// the hidden states of all rows, see Result.Hidden. Chained, stages give the numbers of the whole network, bit for bit.
//
// A Model of a stage loads its own tensors alone, of a tied embedding both ends; its States remember its own layers. Its
// Config, the numbers of layers and Sizes.Layers are those of the whole network.
//
// Each stage commits by itself: if a later one fails a span, the earlier ones have moved on. Who chains them goes back to a
// Fork.
type Stage struct {
	Lo int
	Hi int // 0: to the last layer
}

// of returns s with its end among so many layers. It is an error if it has no layer of these.
func (s Stage) of(layers int) (Stage, error) {
	if s.Hi == 0 {
		s.Hi = layers
	}
	if s.Lo < 0 || s.Lo >= s.Hi || s.Hi > layers {
		return s, fmt.Errorf("a stage of the layers from %d on before %d: the model has layers 0 to %d", s.Lo, s.Hi, layers-1)
	}
	return s, nil
}

// embeds reports whether the model has the embedding and takes token ids.
func (m *Model) embeds() bool { return m.stage.Lo == 0 }

// ends reports whether the model has the head.
func (m *Model) ends() bool { return m.stage.Hi == len(m.blocks) }

// tied reports whether the model has one matrix as embedding and head.
func (m *Model) tied() bool { return m.Config.TieWordEmbeddings && m.embeds() && m.ends() }

// holds reports whether a module is of the model's stage.
func (m *Model) holds(module *lora.Module) bool {
	switch module.Group {
	case lora.Embed:
		return m.embeds()
	case lora.Head:
		return m.ends()
	}
	return m.stage.Lo <= module.Layer && module.Layer < m.stage.Hi
}
