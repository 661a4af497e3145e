// Package data turns files into sequences of token ids to train on.
//
// A data item flows through three stages. [Sources] reads documents from files: plain text, JSON Lines and Parquet.
// [Load] makes ids of them with a model's tokenizer and chat template and keeps them in a token cache, a file that is
// mapped into memory and made again only when the sources, the tokenizer or the options have changed. An [Iterator] packs
// the documents of a [Set], shuffled again in every epoch, into sequences of a given length.
//
// # What is trained
//
// A document of n tokens is n-1 examples: each token but the last is an input and the token after it the target. A text is
// trained on whole, with the special tokens that the tokenizer puts around a text and the end-of-text token after it. Of a
// conversation only what the assistant says is trained, from after the prompt that the chat template makes for it to the
// end of its turn; all other targets are [Ignore].
//
// # Documents do not touch
//
// A [Span] belongs to one document and begins without a past: neither state nor attention crosses its bounds. A document
// of more than Length examples is cut into pieces of Length, the last of which is shorter; each piece begins again, too, so
// that its first tokens are predicted from a short past. No example is lost or repeated by the cutting. Pieces are put
// together into sequences of at most Length examples without being cut further, so a sequence may have room left.
package data
