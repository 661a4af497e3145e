// Package serve answers over HTTP as other programs' clients expect it: OpenAI's, Anthropic's and Ollama's API over one model.
//
// A protocol's room (serve/openai, serve/anthropic, serve/ollama) translates a body to a turn.Request, and turn.Events to what is
// sent; this package has the rest: HTTP, keys, limits, metrics, and the model.
package serve
