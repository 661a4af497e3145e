package tokenizer

import "strconv"

// Padded reports whether row id of an embedding only fills it up: the tokenizer has no token for it, or one that is called
// [PAD310] as converters call such rows, that has no text in a GGUF file, or that is of the type unused and that no text
// becomes. It decodes to nothing. The answer is the same for a folder and for the GGUF file made from it.
func (t *Tokenizer) Padded(id int32) bool {
	return id < 0 || int(id) >= len(t.tokens) || !t.tokens[id].known || t.tokens[id].filler
}

// fillerName is what converters call a row of the embedding that no token has.
func fillerName(id int) string { return "[PAD" + strconv.Itoa(id) + "]" }
