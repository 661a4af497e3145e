package main

import (
	"fmt"
	"math"

	"jamba/train/data"
)

// fewSteps is how many a model needs to learn something from data that are new to it.
const fewSteps = 50

// fit completes the settings by the data and the model: sequences as long as the model takes, and for a run that goes through
// the data by epochs, as many steps as it takes to learn from little of them. What a flag says stays. It returns the number
// of sequences of an epoch, and what was chosen.
func (t *training) fit(set *data.Dataset, context int) (sequences int, chosen string, err error) {
	s := &t.settings
	if t.Seq == nil && context > 0 {
		s.Seq = min(s.Seq, context)
	}
	if sequences, err = t.sequences(set); err != nil {
		return 0, "", err
	}
	if t.epochs == 0 {
		return sequences, "", nil
	}
	if !t.little {
		s.Steps = s.EpochSteps(t.epochs, sequences)
		return sequences, "", nil
	}
	batch, epochs := s.Batch, t.epochs
	if t.Batch == nil {
		for s.Batch > 1 && s.EpochSteps(t.epochs, sequences) < fewSteps {
			s.Batch /= 2
		}
	}
	if once := float64(s.Batch*s.GradAccum) / float64(sequences); t.Epochs == nil && t.epochs < fewSteps*once {
		t.epochs = math.Ceil(fewSteps * once)
	}
	if s.Steps = s.EpochSteps(t.epochs, sequences); s.Batch != batch || t.epochs != epochs {
		chosen = fmt.Sprintf("the data are little: %d in a batch, %g times through them; --batch and --epochs or --steps say otherwise", s.Batch, t.epochs)
	}
	return sequences, chosen, nil
}
