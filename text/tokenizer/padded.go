package tokenizer

import "strconv"

// Padded reports whether row id of an embedding only fills it up: the vocabulary has no token for it, or a name that
// GGUF's writers give to such rows.
func (t *Tokenizer) Padded(id int32) bool {
	text, ok := t.Token(id)
	return !ok || fills(text, int(id))
}

// fills reports whether text is the name of a row id without a token: [PAD7] or, where the file's is empty, [EMPTY_7].
func fills(text string, id int) bool {
	return len(text) > 5 && (text == "[PAD"+strconv.Itoa(id)+"]" || text == "[EMPTY_"+strconv.Itoa(id)+"]")
}
