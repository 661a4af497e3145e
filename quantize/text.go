package quantize

import (
	"errors"
	"io/fs"

	"jamba/checkpoint"
	"jamba/format/gguf"
	"jamba/text"
)

// Text returns what a folder in Hugging Face layout has beside its weights as metadata of a GGUF file: tokenizer, chat
// templates and how answers are sampled; the tokens that end an answer; and what is lost on the way. If there is no tokenizer,
// the error wraps fs.ErrNotExist and all the rest is returned.
func Text(c *checkpoint.Checkpoint) (meta gguf.Metadata, ends []int32, lost []string, err error) {
	g, err := c.Generation()
	if err != nil {
		return nil, nil, nil, err
	}
	named, warnings := c.Ends(&g)
	tokenizer, meta, missed, err := text.Export(c.Path, c.Config.VocabSize)
	lost = append(append(g.Warnings, warnings...), missed...)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, lost, err
	}
	if ends = named; err == nil {
		ends = text.Ends(tokenizer, named)
	}
	return append(meta, g.Metadata(ends)...), ends, lost, err
}
