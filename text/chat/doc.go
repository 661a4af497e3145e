// Package chat turns conversations into the text that a chat model reads, by the model's own template.
//
// A [Request] holds the messages with whatever keys they came with, and optional tools and documents; a [Template] renders
// it as Hugging Face's apply_chat_template(tokenize=False) does. [LoadDir] finds the templates of a model folder,
// [FromNamed] takes those of a GGUF file.
//
// The text already holds the special tokens, bos among them, so it is encoded without adding any.
package chat
