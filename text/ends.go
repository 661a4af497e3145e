package text

import (
	"slices"

	"jamba/text/tokenizer"
)

// endsByText are spellings of tokens that end an answer, whatever else a checkpoint says of them: ends of turns, of
// messages and of texts, and what completion of code puts between files. They are those of llama.cpp (llama_vocab,
// special_eog_ids), so that a file ends an answer here as there.
var endsByText = []string{
	"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>", "<|endoftext|>",
	"</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>",
	"<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
	"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]",
	"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", "<|file_sep|>",
}

// notEnds are exceptions: where a vocabulary has all of with, the token does not end an answer by its text.
var notEnds = []struct {
	token string
	with  []string
}{
	// Messages end with <|end|>, answers with one of the others.
	{"<|end|>", []string{"<|return|>", "<|call|>"}},
	{"<|end|>", []string{"<|return|>", "<|calls|>"}},
	{"<|end|>", []string{"<|call|>", "<|flush|>"}},
	{"<|end|>", []string{"<|calls|>", "<|flush|>"}},
	// There it is text.
	{"</s>", []string{"<|tool_response>"}},
	{"</s>", []string{"<|plamo:eos|>"}},
}

// Ends returns the tokens that end an answer: those that the checkpoint's files name, the tokenizer's end of a text, and
// the tokens of the vocabulary that are ends by their text.
func Ends(t *tokenizer.Tokenizer, named []int32) []int32 {
	var ends []int32
	add := func(id int32, ok bool) {
		if ok && !slices.Contains(ends, id) {
			ends = append(ends, id)
		}
	}
	for _, id := range named {
		add(id, true)
	}
	add(t.EOS())
	for _, s := range endsByText {
		if id, ok := t.ID(s); ok && !excepted(t, s) {
			add(id, true)
		}
	}
	return ends
}

func excepted(t *tokenizer.Tokenizer, token string) bool {
	for _, x := range notEnds {
		if x.token == token && !slices.ContainsFunc(x.with, func(s string) bool { _, ok := t.ID(s); return !ok }) {
			return true
		}
	}
	return false
}
