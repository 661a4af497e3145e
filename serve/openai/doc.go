// Package openai translates OpenAI's API, chat completions, completions, embeddings and responses, to and from turn's requests and
// events. Fields that are not known are ignored.
package openai
