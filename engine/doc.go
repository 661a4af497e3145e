// Package engine runs sequences through a model: it feeds prompts in chunks, samples answers token by token, and says
// when they end. It knows nothing of HTTP or terminals.
package engine
