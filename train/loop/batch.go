package loop

import (
	"jamba/train"
	"jamba/train/data"
)

// toBatch makes a batch of sequences of a dataset. A document of n examples has n+1 tokens here: the last is only predicted.
// targets is how many tokens are to be predicted.
func toBatch(sequences data.Batch) (b *train.Batch, targets int) {
	b = &train.Batch{}
	for _, s := range sequences {
		var tokens, labels []int32
		var starts []int
		for i, span := range s {
			if i > 0 {
				starts = append(starts, len(tokens))
			}
			tokens = append(tokens, span.IDs...)
			labels = append(append(labels, train.Ignore), span.Targets...)
			last := span.Targets[len(span.Targets)-1]
			if last == data.Ignore {
				// Which token it is does not matter then: without it, the last row predicts nothing.
				labels = labels[:len(labels)-1]
			} else {
				tokens = append(tokens, last)
			}
			for _, target := range span.Targets {
				if target != data.Ignore {
					targets++
				}
			}
		}
		b.Tokens, b.Labels, b.Starts = append(b.Tokens, tokens), append(b.Labels, labels), append(b.Starts, starts)
	}
	return b, targets
}

// bytesOf returns the bytes of text that the targets of sequences stand for.
func bytesOf(sequences data.Batch, bytes func(id int32) int) (n int64) {
	for _, s := range sequences {
		for _, span := range s {
			for _, id := range span.Targets {
				if id != data.Ignore {
					n += int64(bytes(id))
				}
			}
		}
	}
	return n
}
