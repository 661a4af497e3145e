// Package tokenizer turns text into token ids and back.
//
// Three kinds of file are read, each into the same [Tokenizer]:
//
//   - tokenizer.json of the Hugging Face tokenizers library, BPE models only ([FromJSON]);
//   - tokenizer.model of SentencePiece, BPE type only, with any map of characters ([FromSentencePiece]);
//   - the vocabulary inside a GGUF file, kinds "llama" and "gpt2" ([FromGGUF]).
//
// # How a text becomes ids
//
// Added tokens (special ones and others) are cut out of the text first. What lies between them is
// normalized, searched for the added tokens that want normalized text, split into pieces by the
// pre-tokenizers, and each piece is merged by the model. A post-processor template then puts ids such as
// the beginning-of-sequence token around the result.
//
// # Bytes that are not UTF-8
//
// A text is taken byte for byte. A byte that belongs to no valid rune counts as one character that is
// neither letter, digit nor space. Byte-level models and models with byte fallback have a token for it;
// other models give their unknown token, or nothing when they have none, as for any character they lack.
// Decoding puts U+FFFD where the bytes of the tokens are not UTF-8: byte-level tokens as Unicode recommends,
// one for each maximal part of a character; byte tokens as SentencePiece does, one for each byte.
//
// # Untrusted files
//
// Files are read as untrusted input. Whatever is unknown or inconsistent in them is an error that names
// the field; ids are bounded before anything is sized by them; what each call may cost is bounded in
// proportion to the text. What is passed over because nothing depends on it is told by [Tokenizer.Warnings].
package tokenizer
